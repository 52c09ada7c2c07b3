import { describe } from "@effect/vitest"
import { Sandbox, SandboxRunLink } from "../../../src/domain/sandbox/Sandbox.js"
import { SandboxAttempt, SandboxAttemptSnapshot } from "../../../src/domain/sandbox/SandboxAttempt.js"
import { SandboxRuntimeInstance } from "../../../src/domain/sandbox/SandboxRuntimeInstance.js"
import { roundTrip } from "../../support/roundTrip.js"

describe("sandbox models", () => {
  roundTrip("Sandbox", Sandbox, 200)
  roundTrip("SandboxRunLink", SandboxRunLink, 200)
  roundTrip("SandboxAttempt", SandboxAttempt, 200)
  roundTrip("SandboxAttemptSnapshot", SandboxAttemptSnapshot, 50)
  roundTrip("SandboxRuntimeInstance", SandboxRuntimeInstance, 200)
})
