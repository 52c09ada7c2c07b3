/**
 * The actor of the events that operations append to the journal.
 */
import { Context, Option } from "effect"
import type { Actor } from "./ControlPlaneEvent.js"

/** The actor set by `actingAs`. `None`: each operation uses its default actor. */
export class CurrentActor extends Context.Reference<CurrentActor>()("@sealant/db/CurrentActor", {
  defaultValue: (): Option.Option<Actor> => Option.none()
}) {}
