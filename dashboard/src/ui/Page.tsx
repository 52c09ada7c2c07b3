/**
 * The frame of a page: its title in the window and on the page, its path, and its actions.
 */
import { type ReactNode, useEffect } from "react"
import { visible } from "../lib/text.js"

/** Sets the title of the window. */
export const useTitle = (title: string): void => {
  useEffect(() => {
    document.title = `${visible(title)} · Sealant`
  }, [title])
}

/** A page. `title` is also that of the window; `heading` replaces it on the page. */
export const Page = ({
  actions,
  children,
  crumbs,
  heading,
  subtitle,
  title
}: {
  readonly title: string
  readonly heading?: ReactNode
  readonly subtitle?: ReactNode
  readonly crumbs?: ReactNode
  readonly actions?: ReactNode
  readonly children: ReactNode
}) => {
  useTitle(title)
  return (
    <>
      <header className="page-head">
        <div>
          {crumbs === undefined ? null : (
            <nav aria-label="Path" className="crumbs">
              {crumbs}
            </nav>
          )}
          <div className="page-title">
            <h1>{heading ?? visible(title)}</h1>
          </div>
          {subtitle === undefined ? null : <div className="page-sub">{subtitle}</div>}
        </div>
        {actions === undefined ? null : <div className="actions">{actions}</div>}
      </header>
      <div className="stack">{children}</div>
    </>
  )
}
