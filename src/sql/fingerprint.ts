/**
 * Fingerprints of JSON values. Documents that differ only in the order of their keys have the same fingerprint.
 */
import { createHash } from "node:crypto"

/** Returns the SHA-256 of the value's canonical JSON, in hexadecimal. */
export const fingerprint = (value: unknown): string => createHash("sha256").update(canonicalJson(value)).digest("hex")

/**
 * Encodes a value as JSON with the keys of each object sorted by code unit, as in RFC 8785. Keys with the value
 * `undefined` are omitted.
 */
export const canonicalJson = (value: unknown): string =>
  JSON.stringify(value, (_, item: unknown) =>
    typeof item === "object" && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : item
  ) ?? "null"
