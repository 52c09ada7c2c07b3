/**
 * Fingerprints of JSON values: equal for documents that differ in the order of their keys only.
 */
import { createHash } from "node:crypto"

/** SHA-256, in hexadecimal, of the value's JSON with all keys in order. */
export const fingerprint = (value: unknown): string => createHash("sha256").update(canonicalJson(value)).digest("hex")

/** JSON with the keys of each object sorted by code unit, as RFC 8785 sorts them. Keys that hold `undefined` are absent. */
export const canonicalJson = (value: unknown): string =>
  JSON.stringify(value, (_, item: unknown) =>
    typeof item === "object" && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0))
      : item) ?? "null"
