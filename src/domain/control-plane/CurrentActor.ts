/**
 * Who acts, for the journal.
 */
import { Context, Option } from "effect"
import type { Actor } from "./ControlPlaneEvent.js"

/** The actor of the operations that run under it. Without one, each operation names its own. */
export class CurrentActor extends Context.Reference<CurrentActor>()("@sealant/db/CurrentActor", {
  defaultValue: (): Option.Option<Actor> => Option.none()
}) {}
