/**
 * Confirmation of an action. The dialog names the object, and shows the error of the action until it is closed.
 */
import * as Dialog from "@radix-ui/react-dialog"
import { type FormEvent, type ReactNode, useState } from "react"
import { useMutation } from "@tanstack/react-query"
import { visible } from "../lib/text.js"
import { Failure } from "./basics.js"
import { toast } from "./toasts.js"

/** A text that the action stores. */
export interface Field {
  readonly label: string
  readonly initial: string
  readonly type?: "text" | "datetime-local" | "number"
  /** The range of a number. */
  readonly min?: number
  readonly max?: number
  readonly required?: boolean
}

/** A button that opens the dialog of an action. `run` gets the text of `field`. */
export const Action = ({
  danger = false,
  describe,
  disabled = false,
  done,
  field,
  label,
  run,
  small = false,
  title
}: {
  readonly label: string
  readonly title: string
  readonly describe: ReactNode
  readonly done: string
  readonly run: (text: string) => Promise<unknown>
  readonly field?: Field
  readonly danger?: boolean
  readonly small?: boolean
  readonly disabled?: boolean
}) => {
  const [open, setOpen] = useState(false)
  return (
    <Dialog.Root onOpenChange={setOpen} open={open}>
      <Dialog.Trigger asChild>
        <button
          className={["button", danger ? "danger" : "", small ? "small" : ""].join(" ").trim()}
          disabled={disabled}
          type="button"
        >
          {label}
        </button>
      </Dialog.Trigger>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content className="dialog" role="alertdialog">
          <Form
            close={() => setOpen(false)}
            danger={danger}
            describe={describe}
            done={done}
            field={field}
            label={label}
            run={run}
            title={title}
          />
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  )
}

const Form = ({
  close,
  danger,
  describe,
  done,
  field,
  label,
  run,
  title
}: {
  readonly close: () => void
  readonly danger: boolean
  readonly describe: ReactNode
  readonly done: string
  readonly field: Field | undefined
  readonly label: string
  readonly run: (text: string) => Promise<unknown>
  readonly title: string
}) => {
  const [text, setText] = useState(field?.initial ?? "")
  const action = useMutation({
    mutationFn: run,
    onSuccess: () => {
      toast("done", done)
      close()
    }
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    action.mutate(text)
  }
  return (
    <form onSubmit={submit}>
      <Dialog.Title asChild>
        <h2>{visible(title)}</h2>
      </Dialog.Title>
      <Dialog.Description asChild>
        <div className="dialog-body">{describe}</div>
      </Dialog.Description>
      {field === undefined ? null : (
        <label className="field" style={{ marginTop: 14 }}>
          <span>{field.label}</span>
          <input
            className="input"
            max={field.max}
            maxLength={1000}
            min={field.min}
            onChange={(event) => setText(event.target.value)}
            required={field.required ?? true}
            type={field.type ?? "text"}
            value={text}
          />
        </label>
      )}
      {action.error === null ? null : (
        <div style={{ marginTop: 14 }}>
          <Failure error={action.error} />
        </div>
      )}
      <div className="dialog-actions">
        <Dialog.Close asChild>
          <button className="button" type="button">
            Keep as it is
          </button>
        </Dialog.Close>
        <button
          className={danger ? "button primary danger" : "button primary"}
          disabled={action.isPending}
          type="submit"
        >
          {action.isPending ? "Working" : label}
        </button>
      </div>
    </form>
  )
}
