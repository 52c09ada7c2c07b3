import { HttpApiSchema } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Option, Schema } from "effect"
import { EncryptionKeyInUse, EncryptionKeyUnavailable, SecretInUse, SecretUnreadable } from "../../src/secret/errors.js"

describe("errors of secrets", () => {
  it("are unchanged by a round trip over HTTP", () => {
    const All = Schema.Union(EncryptionKeyUnavailable, EncryptionKeyInUse, SecretUnreadable, SecretInUse)
    const errors: ReadonlyArray<readonly [typeof All.Type, string]> = [
      [
        new EncryptionKeyUnavailable({ keyId: Option.none(), problem: "no-keys" }),
        "there is no encryption key (no-keys); set SEALANT_ENCRYPTION_KEYS, or pass one to KeyRing.layer"
      ],
      [
        new EncryptionKeyUnavailable({ keyId: Option.some("k1"), problem: "retired" }),
        "encryption key k1 cannot be used (retired)"
      ],
      [new EncryptionKeyInUse({ keyId: "k1", reason: "versions" }), "encryption key k1 is in use (versions)"],
      [new SecretUnreadable({ secretId: "s", version: 2 }), "version 2 of secret s cannot be read"],
      [new SecretInUse({ secretId: "s" }), "secret s is in use"]
    ]
    for (const [error, message] of errors) {
      expect(error.message).toBe(message)
      expect(Schema.decodeUnknownSync(All)(JSON.parse(JSON.stringify(Schema.encodeSync(All)(error))))).toEqual(error)
    }
    const statuses = [EncryptionKeyUnavailable, EncryptionKeyInUse, SecretUnreadable, SecretInUse].map(({ ast }) =>
      HttpApiSchema.getStatusErrorAST(ast)
    )
    expect(statuses).toEqual([503, 409, 500, 409])
  })
})
