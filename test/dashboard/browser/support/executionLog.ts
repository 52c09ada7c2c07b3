/**
 * The log of an agent, with the colours of its tools.
 */
const esc = "\u001b"
const green = (text: string) => `${esc}[32m${text}${esc}[0m`
const dim = (text: string) => `${esc}[2m${text}${esc}[0m`

const steps = [
  ["plan", "info", "Reading the issue and its 4 comments"],
  ["plan", "debug", "context: 18 files, 2,310 lines"],
  ["plan", "info", "The cart is keyed by the session id, which changes at the login"],
  ["edit", "info", `${esc}[1;34medit${esc}[0m src/cart/store.ts ${dim("21 lines added, 9 removed")}`],
  ["edit", "info", `${esc}[1;34mcreate${esc}[0m src/cart/merge.ts ${dim("88 lines")}`],
  ["test", "info", `${esc}[1mnpm test${esc}[0m`],
  ["test", "info", `${green("✓")} test/cart/store.test.ts ${dim("(14 tests, 120 ms)")}`],
  ["test", "error", `${esc}[41;97m FAIL ${esc}[0m test/cart/merge.test.ts > keeps the newer quantity`],
  ["test", "error", "  AssertionError: expected 3 to be 2"],
  ["edit", "warn", `${esc}[33mwarning${esc}[0m the quantity of an item is limited to 99`],
  ["test", "info", `${green("✓")} test/cart/merge.test.ts ${dim("(9 tests, 84 ms)")}`],
  ["test", "info", `${green("312 passed")} ${dim("in 42.3 s")}`]
] as const

/** 240 events. */
export const executionLog = Array.from({ length: 20 }, () => steps)
  .flat()
  .map(([phase, level, message]) => ({ phase, level, message, eventType: "log" }))
