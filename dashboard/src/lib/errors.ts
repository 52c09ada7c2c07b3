/**
 * Errors of the API, as the page shows them.
 */

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null

/** A failed request. `tag` is that of the error in the contract, `Offline` when the server does not answer. */
export class ApiError extends Error {
  constructor(
    readonly tag: string,
    message: string
  ) {
    super(message)
    this.name = "ApiError"
  }

  /** Reads the error of a response. Each has a tag, and a message of one line with the remedy. */
  static async of(response: Response): Promise<ApiError> {
    const body: unknown = await response.json().catch(() => undefined)
    const { _tag: tag, message } = isRecord(body) ? body : {}
    return new ApiError(
      typeof tag === "string" ? tag : `Status${response.status}`,
      typeof message === "string" && message !== "" ? message : `the server answered with status ${response.status}`
    )
  }
}
