/**
 * The actions of rows, with their confirmations. In read-only mode there are none.
 */
import { call } from "../lib/client.js"
import { useAction, useMayWrite } from "../lib/queries.js"
import { visible } from "../lib/text.js"
import { Action } from "./Confirm.js"
import { Text } from "./basics.js"

const Named = ({ children }: { readonly children: string }) => (
  <strong>
    <Text mono>{children}</Text>
  </strong>
)

const isActive = (status: string) =>
  status === "queued" || status === "running" || status === "ready" || status === "stopping"

/** Redrive, cancel, change of the priority and fail, as far as the status of the job allows them. An ended attempt is retried as a sandbox. */
export const JobActions = ({
  attemptStatus,
  id,
  priority,
  status
}: {
  readonly id: string
  readonly priority: number
  readonly status: string
  readonly attemptStatus: string | undefined
}) => {
  const run = useAction()
  if (!useMayWrite()) return null
  return (
    <>
      {(status === "failed" || status === "cancelled") && (attemptStatus === undefined || isActive(attemptStatus)) ? (
        <Action
          describe={
            <p>
              Job <Named>{id}</Named> is queued again with all its attempts. A worker will claim it.
            </p>
          }
          done={`Job ${visible(id)} is queued again`}
          label="Redrive"
          run={() => run(() => call("jobActions", "redrive", { path: { id }, payload: {} }))}
          title="Redrive this job?"
        />
      ) : null}
      {status === "queued" || status === "running" ? (
        <Action
          danger
          describe={
            <p>
              Job <Named>{id}</Named> ends as cancelled. A worker that builds it loses its lease and stops.
            </p>
          }
          done={`Job ${visible(id)} is cancelled`}
          field={{ label: "Reason, shown to the owner", initial: "cancelled by an operator" }}
          label="Cancel job"
          run={(reason) => run(() => call("jobActions", "cancel", { path: { id }, payload: { reason } }))}
          title="Cancel this job?"
        />
      ) : null}
      {status === "queued" ? (
        <Action
          describe={
            <p>
              Workers claim due jobs of priority 0 first, and those of 9 last. Job <Named>{id}</Named> has priority{" "}
              {priority}.
            </p>
          }
          done={`The priority of job ${visible(id)} has changed`}
          field={{ label: "Priority, 0 to 9", initial: String(priority), type: "number", min: 0, max: 9 }}
          label="Change priority"
          run={(text) =>
            run(() => call("jobActions", "setPriority", { path: { id }, payload: { priority: Number(text) } }))
          }
          title="Change the priority of this job?"
        />
      ) : null}
      {status === "queued" ? (
        <Action
          danger
          describe={
            <p>
              Job <Named>{id}</Named> ends as failed without a further attempt.
            </p>
          }
          done={`Job ${visible(id)} has failed`}
          field={{ label: "Error message, shown to the owner", initial: "failed by an operator" }}
          label="Fail job"
          run={(message) => run(() => call("jobActions", "fail", { path: { id }, payload: { message } }))}
          title="Fail this job?"
        />
      ) : null}
    </>
  )
}

/** The text of a local time, as the field of the dialog needs it. */
const localTime = (time: number) => {
  const date = new Date(time)
  return new Date(time - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16)
}

const hour = 3_600_000

/** Stop, extend, retry and rebuild, as far as the status of the sandbox allows them. */
export const SandboxActions = ({
  expiresAt,
  id,
  name,
  status
}: {
  readonly id: string
  readonly name: string
  readonly status: string
  readonly expiresAt: string | undefined
}) => {
  const run = useAction()
  if (!useMayWrite()) return null
  const named = (
    <>
      <Named>{name}</Named> (<Text mono>{id}</Text>)
    </>
  )
  return isActive(status) ? (
    <>
      <Action
        describe={<p>Supervision stops sandbox {named} at this time. The deadline may also be earlier than now set.</p>}
        done={`The deadline of ${visible(name)} has changed`}
        field={{
          label: "New deadline, in your time zone",
          initial: localTime((expiresAt === undefined ? Date.now() : Date.parse(expiresAt)) + hour),
          type: "datetime-local"
        }}
        label="Extend"
        run={(text) =>
          run(() =>
            call("sandboxActions", "extend", { path: { id }, payload: { until: new Date(text).toISOString() } })
          )
        }
        title="Change the deadline of this sandbox?"
      />
      <Action
        danger
        describe={<p>Sandbox {named} ends with its attempt and its job. Its runtime is torn down.</p>}
        done={`Sandbox ${visible(name)} is asked to stop`}
        label="Stop sandbox"
        run={() => run(() => call("sandboxActions", "stop", { path: { id }, payload: {} }))}
        title="Stop this sandbox?"
      />
    </>
  ) : (
    <>
      <Action
        describe={<p>Sandbox {named} gets a new attempt with the specification of its last one.</p>}
        done={`Sandbox ${visible(name)} is queued again`}
        label="Retry"
        run={() => run(() => call("sandboxActions", "retry", { path: { id }, payload: {} }))}
        title="Retry this sandbox?"
      />
      <Action
        describe={
          <p>
            Sandbox {named} gets a new attempt with the same specification, recorded as a rebuild: a new image is built.
          </p>
        }
        done={`Sandbox ${visible(name)} is being rebuilt`}
        label="Rebuild"
        run={() => run(() => call("sandboxActions", "rebuild", { path: { id }, payload: {} }))}
        title="Rebuild this sandbox?"
      />
    </>
  )
}

/** Redelivery of a delivery that has ended. */
export const DeliveryActions = ({ id, status }: { readonly id: string; readonly status: string }) => {
  const run = useAction()
  const mayWrite = useMayWrite()
  if (!mayWrite || status === "received" || status === "processing") return null
  return (
    <Action
      describe={
        <p>
          Delivery <Named>{id}</Named> waits again with all its attempts. Its effects happen once more.
        </p>
      }
      done={`Delivery ${visible(id)} waits again`}
      label="Redeliver"
      run={() => run(() => call("webhookActions", "redeliver", { path: { id }, payload: {} }))}
      title="Redeliver this delivery?"
    />
  )
}
