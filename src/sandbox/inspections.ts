/**
 * The inspection of running runtimes: those whose resource is gone have ended.
 */
import { type Duration, Effect, Option } from "effect"
import { forever } from "../leasing/workerLoop.js"
import { spanned } from "../sql/operations.js"
import { kindOf } from "../sql/tagged.js"
import { SandboxLifecycle } from "./SandboxLifecycle.js"
import type { SandboxRuntimeInstance } from "./SandboxRuntimeInstance.js"
import { SandboxRuntimeInstanceRepo } from "./SandboxRuntimeInstanceRepo.js"
import type { EndRuntime } from "./SandboxViews.js"

type Inspect<E, R> = (
  instance: SandboxRuntimeInstance
) => Effect.Effect<Option.Option<Omit<typeof EndRuntime.Encoded, "resourceId">>, E, R>

/** The number of runtimes that one statement claims for inspection. */
const batchSize = 50

/**
 * Inspects forever. Each round claims the runtimes that no worker has inspected for `every`, so that several workers
 * share them. A failed inspection is logged, and the next one tries again.
 */
export const inspections = <E extends { readonly errorMessage: string }, R>(
  inspect: Inspect<E, R>,
  { concurrency, every }: { readonly concurrency: number; readonly every: Duration.DurationInput }
): Effect.Effect<never, never, R | SandboxLifecycle | SandboxRuntimeInstanceRepo> =>
  Effect.gen(function* () {
    const lifecycle = yield* SandboxLifecycle
    const { claimInspections } = yield* SandboxRuntimeInstanceRepo

    const one = (instance: SandboxRuntimeInstance) => {
      const { attemptId } = instance
      const warn = (problem: string) => Effect.logWarning(`inspecting the runtime of attempt ${attemptId}: ${problem}`)
      return Effect.suspend(() => inspect(instance)).pipe(
        // In the background after its interruption, so that an inspection that hangs does not stop the others.
        Effect.disconnect,
        Effect.timeoutOption(every),
        Effect.matchEffect({
          onFailure: ({ errorMessage }) => warn(errorMessage),
          onSuccess: Option.match({
            onNone: () => warn("it did not end within the interval"),
            onSome: Option.match({
              onNone: () => Effect.void,
              // The end of another resource, launched meanwhile, changes nothing.
              onSome: (end) =>
                lifecycle
                  .endRuntime(attemptId, { ...end, resourceId: Option.getOrUndefined(instance.resourceId) })
                  .pipe(
                    Effect.asVoid,
                    Effect.catchAll(({ message }) => warn(message))
                  )
            })
          })
        }),
        Effect.catchAllDefect((defect) => warn(kindOf(defect)))
      )
    }

    const round: Effect.Effect<void, { readonly message: string }, R> = Effect.gen(function* () {
      const claimed = yield* claimInspections({ every, limit: batchSize })
      yield* Effect.forEach(claimed, one, { concurrency, discard: true })
      if (claimed.length === batchSize) yield* round
    })
    // One trace for each round: a span of the whole loop would last for days.
    const traced = spanned(round, "RuntimeWorker.inspect", {}, true)
    return yield* forever(Effect.zipRight(traced, Effect.sleep(every)), "inspecting", every)
  })
