/**
 * Every service that the package exports, with its name. `KeyRing` and `RepositoryAccess` are configuration and have no
 * methods.
 */
import { Context } from "effect"
import * as db from "@sealant/db"
import type { TestServices } from "@sealant/db/testing"

export const services = Object.entries(db).flatMap(([name, value]) =>
  Context.isTag(value) && name !== "KeyRing" && name !== "RepositoryAccess"
    ? [{ name, tag: value as Context.Tag<TestServices, object> }]
    : []
)
