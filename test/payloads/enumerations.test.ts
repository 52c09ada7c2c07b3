import { describe, expect, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import {
  BlueprintVersion,
  ConcreteOsFamily,
  DotfilesManager,
  DotfilesTarget,
  ExecutorId,
  HarnessId,
  InputPurpose,
  LoginShell,
  OciRuntime,
  PackageResolutionSource,
  PackageResolutionStatus,
  Persistence,
  RuntimeAdapterId,
  RuntimeAdapterLaunchStatus,
  Shell,
  SourceKind,
  SourceProvider,
  TargetOsFamily,
  TargetOsMode,
  TargetRuntimeFamily,
  TargetRuntimeMode
} from "../../src/payloads/index.js"
import { issues } from "./support.js"

describe("enumerations", () => {
  it.each([
    ["BlueprintVersion", BlueprintVersion, ["1"]],
    ["SourceKind", SourceKind, ["git"]],
    ["SourceProvider", SourceProvider, ["github", "gitlab", "generic"]],
    ["HarnessId", HarnessId, ["opencode", "codex", "claude-code"]],
    ["InputPurpose", InputPurpose, ["config", "dotfiles", "bootstrap"]],
    ["Shell", Shell, ["sh", "bash"]],
    ["LoginShell", LoginShell, ["bash", "zsh", "fish"]],
    ["DotfilesManager", DotfilesManager, ["auto", "chezmoi", "stow", "copy"]],
    ["DotfilesTarget", DotfilesTarget, ["home", "config"]],
    ["Persistence", Persistence, ["ephemeral", "persistent"]],
    ["OciRuntime", OciRuntime, ["runc", "runsc"]],
    ["TargetOsFamily", TargetOsFamily, ["auto", "nix", "fedora", "arch"]],
    ["TargetOsMode", TargetOsMode, ["prefer", "require"]],
    ["TargetRuntimeFamily", TargetRuntimeFamily, ["auto", "docker", "k8s", "k3s"]],
    ["TargetRuntimeMode", TargetRuntimeMode, ["prefer", "require"]],
    ["ExecutorId", ExecutorId, ["nix", "fedora", "arch"]],
    ["ConcreteOsFamily", ConcreteOsFamily, ["nix", "fedora", "arch"]],
    ["RuntimeAdapterId", RuntimeAdapterId, ["docker", "k8s", "k3s"]],
    ["RuntimeAdapterLaunchStatus", RuntimeAdapterLaunchStatus, ["pending", "running"]],
    [
      "PackageResolutionStatus",
      PackageResolutionStatus,
      ["resolved", "ambiguous", "unsupported", "not-found", "invalid"]
    ],
    ["PackageResolutionSource", PackageResolutionSource, ["cache", "repology", "override"]]
  ] as const)("%s", (_, schema, values) => {
    expect(schema.literals).toEqual(values)
    for (const wrong of ["s3cr3t", values[0].toUpperCase() + " ", 1, null, {}]) {
      expect(issues(schema, wrong)).toEqual([["", `must be one of ${values.join(", ")}`]])
    }
  })
})

it("need nothing that a browser lacks", () => {
  const folder = new URL("../../src/payloads/", import.meta.url)
  for (const file of readdirSync(folder)) {
    const imports = readFileSync(new URL(file, folder), "utf8").matchAll(
      /^(?:import|export) (?:type )?(?:\{[^}]*\}|\*.*) from "([^"]+)"/gm
    )
    for (const [, from] of imports)
      expect([file, from]).toEqual([file, expect.stringMatching(/^(effect|\.\/\w+\.js|\.\.\/sql\/decoder\.js)$/)])
  }
})
