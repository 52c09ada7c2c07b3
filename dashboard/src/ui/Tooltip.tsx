/**
 * Tooltips on hover and focus.
 */
import * as Radix from "@radix-ui/react-tooltip"
import type { ReactElement } from "react"

/** Shows `text` beside its child. The child must accept a ref. */
export const Tooltip = ({ children, text }: { readonly children: ReactElement; readonly text: string }) => (
  <Radix.Root>
    <Radix.Trigger asChild>{children}</Radix.Trigger>
    <Radix.Portal>
      <Radix.Content className="tooltip" collisionPadding={8} sideOffset={6}>
        {text}
      </Radix.Content>
    </Radix.Portal>
  </Radix.Root>
)

export const TooltipProvider = Radix.Provider
