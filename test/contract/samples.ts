/**
 * A valid call of each method of each service, by the names of tag and method.
 */
import type { Arguments } from "./walk.js"
import { authSamples } from "./samples/auth.js"
import { executionSamples } from "./samples/executions.js"
import { profileSamples } from "./samples/profiles.js"
import { sandboxSamples } from "./samples/sandboxes.js"
import { sourceSamples } from "./samples/source.js"
import type { Fixture } from "./fixtureRows.js"

export type Samples = Readonly<Record<string, Readonly<Record<string, Arguments>>>>

export const samplesOf = (fixture: Fixture): Samples => ({
  ...authSamples(fixture),
  ...sourceSamples(fixture),
  ...profileSamples(fixture),
  ...sandboxSamples(fixture),
  ...executionSamples(fixture)
})
