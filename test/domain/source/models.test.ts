import { describe } from "@effect/vitest"
import { Repository } from "../../../src/domain/source/Repository.js"
import { roundTrip } from "../../support/roundTrip.js"

describe("source models", () => {
  roundTrip("Repository", Repository, 200)
})
