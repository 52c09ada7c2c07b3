import { describe, expect, it } from "@effect/vitest"
import { FastCheck, Option } from "effect"
import {
  type Identity,
  keyCheckOf,
  open,
  type RandomBytes,
  rewrap,
  seal,
  type Sealed,
  type TokenIdentity
} from "../../src/secret/envelope.js"

const bytes = (from: number, length: number) => Uint8Array.from({ length }, (_, index) => from + index)

/** Gives these, one after the other. */
const fixed = (...values: ReadonlyArray<Uint8Array>): RandomBytes => {
  const left = [...values]
  return (length) => {
    const next = left.shift()
    if (next?.length !== length) throw new Error("the test did not foresee this")
    return next
  }
}

const identity: Identity = { ownerUserId: "ada", secretId: "sec_1", versionId: "sev_1", version: 1 }
const k1 = { id: "k1", bytes: bytes(0x00, 32) }
const k2 = { id: "k2", bytes: bytes(0x80, 32) }
const random = () => fixed(bytes(0x20, 32), bytes(0x40, 12), bytes(0x50, 12))

// Made by another implementation of AES-GCM (OpenSSL through Python) from docs/encryption.md.
const known = {
  value: "pässword 🐳",
  encryptedValue: "AUBBQkNERUZHSElKS7KXGfIjAap5NhKgtxX57UVsOFwqZThUgv9G7g+Tng==",
  wrappedDataKey: "AVBRUlNUVVZXWFlaW7IGFFfAdZ/BdJ8XTuHMrfrTHs/YFkSsFRyw2uDMfatLXp6C4BVxeqm6AdDUe28j+g==",
  rewrappedDataKey: "AWBhYmNkZWZnaGlqa733fUwQDiOLXuFQzMZTWGstGJWKO3pw/lUlQpWcu95FEEIAA+J0qKffKq1TknTsLg==",
  emptyValue: "AUBBQkNERUZHSElKSxhC9c5mZ4UgDqPjKGYDyKo=",
  keyCheck: "441a4aa135cc2ff9b08a307479b186ee"
}

const knownToken = {
  value: "token 🐳",
  sealed: {
    encryptedValue: "AUBBQkNERUZHSElKS7Y71uQ+VjWUwoEZKfhXuM9sqH7Dtdx8NFGt",
    wrappedDataKey: "AVBRUlNUVVZXWFlaW7IGFFfAdZ/BdJ8XTuHMrfrTHs/YFkSsFRyw2uDMfatLrX56zEFumk8hLXJ9uStelg=="
  }
}

const { encryptedValue, wrappedDataKey } = known
const sealed: Sealed = { encryptedValue, wrappedDataKey }

const opens = (stored: Sealed) => Option.isSome(open(stored, k1, identity))

/** Every text that differs from this one in a bit of one of its characters. */
const flippedTexts = (text: string) =>
  Array.from(text).flatMap((character, index) =>
    Array.from(
      { length: 8 },
      (_, bit) =>
        text.slice(0, index) + String.fromCharCode(character.charCodeAt(0) ^ (1 << bit)) + text.slice(index + 1)
    )
  )

/** The base64 of all bytes that differ from those of this one in a bit. */
const flippedBytes = (text: string) => {
  const plain = Buffer.from(text, "base64")
  return Array.from({ length: plain.length * 8 }, (_, bit) => {
    const flipped = Buffer.from(plain)
    flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
    return flipped.toString("base64")
  })
}

describe("the envelope", () => {
  it("has the documented format", () => {
    expect(seal(known.value, k1, identity, random())).toEqual(sealed)
    expect(open(sealed, k1, identity)).toEqual(Option.some(known.value))
    expect(rewrap(wrappedDataKey, k1, k2, identity, fixed(bytes(0x60, 12)))).toEqual(
      Option.some(known.rewrappedDataKey)
    )
    expect(open({ encryptedValue, wrappedDataKey: known.rewrappedDataKey }, k2, identity)).toEqual(
      Option.some(known.value)
    )
    expect(seal("", k1, identity, random()).encryptedValue).toBe(known.emptyValue)
    expect(keyCheckOf(k1)).toBe(known.keyCheck)
  })

  it("has the documented format for a token, which decrypts only in its column and is not a value of a secret", () => {
    const token: TokenIdentity = { accountId: "account_1", column: "access_token" }
    expect(seal(knownToken.value, k1, token, random())).toEqual(knownToken.sealed)
    expect(open(knownToken.sealed, k1, token)).toEqual(Option.some(knownToken.value))
    const others = [
      { ...token, column: "refresh_token" },
      { ...token, accountId: "account_2" },
      { accountId: "account_1access_", column: "token" },
      identity
    ]
    for (const other of others) {
      expect(open(knownToken.sealed, k1, other)).toEqual(Option.none())
      expect(rewrap(knownToken.sealed.wrappedDataKey, k1, k2, other)).toEqual(Option.none())
    }
    expect(open(sealed, k1, token)).toEqual(Option.none())
  })

  it("does not decrypt with any bit changed", () => {
    for (const flipped of [...flippedTexts(encryptedValue), ...flippedBytes(encryptedValue)]) {
      expect(opens({ ...sealed, encryptedValue: flipped }), flipped).toBe(false)
    }
    for (const flipped of [...flippedTexts(wrappedDataKey), ...flippedBytes(wrappedDataKey)]) {
      expect(opens({ ...sealed, wrappedDataKey: flipped }), flipped).toBe(false)
      expect(rewrap(flipped, k1, k2, identity)).toEqual(Option.none())
    }
  })

  it("does not decrypt when it is truncated or extended", () => {
    const cuts = (text: string) => {
      const plain = Buffer.from(text, "base64")
      return [
        ...Array.from(text, (_, length) => text.slice(0, length)),
        ...Array.from(plain, (_, length) => plain.subarray(0, length).toString("base64")),
        ...Array.from(plain, (_, start) => plain.subarray(start + 1).toString("base64")),
        Buffer.concat([plain, Buffer.alloc(1)]).toString("base64"),
        `${text}\n`,
        ` ${text}`,
        text.replaceAll("=", ""),
        text.replaceAll("+", "-").replaceAll("/", "_")
      ].filter((cut) => cut !== text)
    }
    for (const cut of cuts(encryptedValue)) expect(opens({ ...sealed, encryptedValue: cut }), cut).toBe(false)
    for (const cut of cuts(wrappedDataKey)) expect(opens({ ...sealed, wrappedDataKey: cut }), cut).toBe(false)
  })

  it("does not decrypt with another identity or another key", () => {
    const sealed = seal(known.value, k1, identity, random())
    const { encryptedValue, wrappedDataKey } = sealed
    expect(opens(sealed)).toBe(true)
    const others: ReadonlyArray<Identity> = [
      { ...identity, ownerUserId: "eve" },
      { ...identity, secretId: "sec_2" },
      { ...identity, versionId: "sev_2" },
      { ...identity, version: 2 },
      // The same bytes in a row, cut elsewhere.
      { ...identity, ownerUserId: "adas", secretId: "ec_1" },
      { ...identity, secretId: "sec_1s", versionId: "ev_1" },
      { ...identity, versionId: "sev_", version: 11 }
    ]
    for (const other of others) {
      expect(open(sealed, k1, other)).toEqual(Option.none())
      expect(rewrap(wrappedDataKey, k1, k2, other)).toEqual(Option.none())
      // Either half alone is bound, too: here the other one is right.
      const right = seal(known.value, k1, other, random())
      expect(open({ ...right, encryptedValue }, k1, other)).toEqual(Option.none())
      expect(open({ ...right, wrappedDataKey }, k1, other)).toEqual(Option.none())
    }
    for (const key of [k2, { ...k1, id: "k2" }, { ...k2, id: "k1" }]) {
      expect(open(sealed, key, identity)).toEqual(Option.none())
      expect(rewrap(wrappedDataKey, key, k1, identity)).toEqual(Option.none())
    }
    // A wrapped data key is no value, and a value no data key.
    expect(opens({ encryptedValue: wrappedDataKey, wrappedDataKey })).toBe(false)
    expect(opens({ encryptedValue, wrappedDataKey: encryptedValue })).toBe(false)
  })

  it("differs for each encryption", () => {
    const many = Array.from({ length: 100 }, () => seal("same", k1, identity))
    const parts = many.flatMap(({ encryptedValue, wrappedDataKey }) =>
      [encryptedValue, wrappedDataKey].flatMap((text) => [
        text,
        Buffer.from(text, "base64").subarray(1, 13).toString("hex")
      ])
    )
    expect(new Set(parts).size).toBe(400)
  })

  it("returns any value under any identity", () => {
    const texts = FastCheck.string({ unit: "grapheme" })
    FastCheck.assert(
      FastCheck.property(
        texts,
        texts,
        texts,
        texts,
        FastCheck.nat(),
        (value, ownerUserId, secretId, versionId, version) => {
          const other = { ownerUserId, secretId, versionId, version }
          const stored = seal(value, k1, other)
          expect(open(stored, k1, other)).toEqual(Option.some(value))
          const moved = Option.getOrThrow(rewrap(stored.wrappedDataKey, k1, k2, other))
          expect(open({ ...stored, wrappedDataKey: moved }, k2, other)).toEqual(Option.some(value))
        }
      ),
      { numRuns: 200 }
    )
  })
})
