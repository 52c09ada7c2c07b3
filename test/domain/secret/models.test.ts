import { describe } from "@effect/vitest"
import { EncryptionKey } from "../../../src/domain/secret/EncryptionKey.js"
import { Secret, SecretVersion, SecretVersionMetadata } from "../../../src/domain/secret/Secret.js"
import { roundTrip } from "../../support/roundTrip.js"

describe("row models of secrets survive the round trip", () => {
  roundTrip("EncryptionKey", EncryptionKey, 100)
  roundTrip("Secret", Secret, 100)
  roundTrip("SecretVersion", SecretVersion, 100)
  roundTrip("SecretVersionMetadata", SecretVersionMetadata, 100)
})
