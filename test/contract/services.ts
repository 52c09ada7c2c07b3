/**
 * Every service over the tables that the package exports, with its name. The key ring has no methods: it is what is given;
 * an import is of a whole database.
 */
import { Context } from "effect"
import * as db from "@sealant/db"
import type { TestServices } from "@sealant/db/testing"

export const services = Object.entries(db).flatMap(([name, value]) =>
  Context.isTag(value) && name !== "KeyRing" && name !== "LegacyImport" ? [{ name, tag: value as Context.Tag<TestServices, object> }] : [])
