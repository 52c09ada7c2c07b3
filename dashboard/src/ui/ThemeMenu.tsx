/**
 * The choice of the theme.
 */
import * as Menu from "@radix-ui/react-dropdown-menu"
import { setTheme, type Theme, useTheme } from "../lib/theme.js"
import { Icon, type IconName } from "./Icon.js"

const themes: ReadonlyArray<readonly [theme: Theme, label: string, icon: IconName]> = [
  ["system", "As the system", "system"],
  ["light", "Light", "sun"],
  ["dark", "Dark", "moon"]
]

/** A button with a menu of the themes. */
export const ThemeMenu = () => {
  const current = useTheme()
  const icon = themes.find(([theme]) => theme === current)?.[2] ?? "system"
  return (
    <Menu.Root>
      <Menu.Trigger asChild>
        <button aria-label="Theme" className="icon-button" title="Theme" type="button">
          <Icon name={icon} />
        </button>
      </Menu.Trigger>
      <Menu.Portal>
        <Menu.Content align="end" className="menu" sideOffset={6}>
          <Menu.RadioGroup value={current}>
            {themes.map(([theme, label, name]) => (
              <Menu.RadioItem className="menu-item" key={theme} onSelect={() => setTheme(theme)} value={theme}>
                <Icon name={name} size={14} />
                {label}
                {theme === current ? (
                  <span style={{ marginLeft: "auto" }}>
                    <Icon name="check" size={14} />
                  </span>
                ) : null}
              </Menu.RadioItem>
            ))}
          </Menu.RadioGroup>
        </Menu.Content>
      </Menu.Portal>
    </Menu.Root>
  )
}
