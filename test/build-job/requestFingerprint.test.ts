import { describe, expect, it } from "@effect/vitest"
import { Arbitrary, FastCheck, Schema } from "effect"
import { encodeSpec, requestFingerprint } from "../../src/build-job/requestFingerprint.js"
import { UserWorkspaceSpec } from "../../src/payloads/index.js"
import { readingOf } from "../../src/sql/decoder.js"

const spec = Schema.decodeSync(UserWorkspaceSpec)({
  harness: { id: "opencode", profile: " default " },
  source: { url: "https://github.com/acme/app", ref: " main " },
  env: { "10": "ten", "9": "nine", b: "2", a: "1", é: "x" },
  packages: ["nodejs", { version: "3.12", id: "python" }],
  setup: ["npm ci", { run: "make", shell: "bash" }],
  ssh: { enabled: true }
})

const request = {
  registryId: "registry",
  repository: "acme/app",
  tag: "latest",
  requestPayload: encodeSpec(spec)
}

describe("encodeSpec", () => {
  it("returns the same text as the encoding by the schema", () => {
    const bySchema = Schema.encodeSync(readingOf(UserWorkspaceSpec))
    const decode = Schema.decodeSync(UserWorkspaceSpec)
    FastCheck.assert(
      FastCheck.property(Arbitrary.make(UserWorkspaceSpec), (generated) => {
        const decoded = decode(bySchema(generated))
        expect(JSON.stringify(encodeSpec(decoded))).toBe(JSON.stringify(bySchema(decoded)))
      })
    )
  })
})

describe("requestFingerprint", () => {
  // Stored fingerprints of earlier releases must match those of repeated requests.
  it("returns the digests of released versions", () => {
    expect(requestFingerprint({ ...request, attemptId: null })).toBe(
      "76c60af80cda1ea97b684bc7d4aeff1563f52a638c51c4523b6bbcae69c12e11"
    )
    expect(requestFingerprint({ ...request, attemptId: "run_1", maxDurationMs: 60_000 })).toBe(
      "bfb00bb95229cf298951ff97c54c08817b0a055b5bbd1c663c8e6d8de30fd47f"
    )
  })
})
