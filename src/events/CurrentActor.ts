/**
 * The actor that the journal records.
 */
import { Context, Option } from "effect"
import type { Actor } from "./ControlPlaneEvent.js"

/** The actor of the operations that run with it. Default: each operation has its own. */
export class CurrentActor extends Context.Reference<CurrentActor>()("@sealant/db/CurrentActor", {
  defaultValue: (): Option.Option<Actor> => Option.none()
}) {}
