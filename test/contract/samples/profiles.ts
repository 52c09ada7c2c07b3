/**
 * A legal call of each method of profiles, secrets and keys.
 */
import { Redacted } from "effect"
import type { Samples } from "../samples.js"
import type { World } from "../world.js"

export const profileSamples = (world: World): Samples => {
  const { ada, profile, profileRevision, repository, repositoryProfile, repositoryProfileRevision, retirable, secret, sshKey } = world
  const ownerUserId = ada
  const profileId = profile.id
  const repositoryProfileId = repositoryProfile.id
  const patch = { harness: "opencode", env: { LEVEL: "info" } }
  return {
    ProfileRepo: {
      create: [{ id: "new", ownerUserId, slug: "new", name: "New", description: "for the next project" }],
      findById: [profileId],
      getById: [profileId],
      getForOwner: [{ ownerUserId, id: profileId }],
      findBySlug: [{ ownerUserId, slug: profile.slug }],
      list: [{ ownerUserId, status: "active", limit: 10 }],
      update: [{ id: profileId, ownerUserId, slug: "other", name: "Other", description: "for another project" }],
      archive: [profileId],
      archiveForOwner: [{ ownerUserId, id: profileId }],
      restore: [profileId],
      restoreForOwner: [{ ownerUserId, id: profileId }],
      createRevision: [{
        id: "revision",
        profileId,
        ownerUserId,
        configPatch: patch,
        envVars: [{ key: "REGION", value: "north" }],
        secretBindings: [{ targetKey: "TOKEN", secretId: secret.id, isRequired: true }],
        sshSettings: { enabled: true, listenPort: 2222, hostAllowlist: ["10.0.0.0/8"], sessionTimeoutMinutes: 30, authorizedKeysRef: "keys" },
        sshKeys: [{ sshKeyId: sshKey.id, purpose: "login" }],
        createdByUserId: ada,
        changeSummary: "a region",
        setAsActive: true
      }],
      listRevisions: [{ profileId, ownerUserId, limit: 10 }],
      getRevision: [profileRevision.id],
      getRevisionForOwner: [{ ownerUserId, id: profileRevision.id }],
      getActiveRevision: [profileId],
      getActiveRevisionForOwner: [{ ownerUserId, profileId }],
      setActiveRevision: [{ profileId, ownerUserId, revisionId: profileRevision.id }]
    },
    RepositoryProfileRepo: {
      create: [{ id: "new", repositoryId: repository.id, name: "New", description: "for the next launch" }],
      findById: [repositoryProfileId],
      getById: [repositoryProfileId],
      list: [{ repositoryId: repository.id, status: "active", limit: 10 }],
      update: [{ id: repositoryProfileId, name: "Other", description: "for another launch" }],
      archive: [repositoryProfileId],
      restore: [repositoryProfileId],
      createRevision: [{
        id: "revision",
        repositoryProfileId,
        runTemplate: patch,
        policyConfig: { approvals: { count: 1 } },
        links: [{ profileRevisionId: profileRevision.id, precedence: 1, isRequired: true }],
        createdByUserId: ada,
        changeSummary: "a policy",
        setAsActive: true
      }],
      listRevisions: [{ repositoryProfileId, limit: 10 }],
      getRevision: [repositoryProfileRevision.id],
      getActiveRevision: [repositoryProfileId],
      setActiveRevision: [{ repositoryProfileId, revisionId: repositoryProfileRevision.id }],
      replaceLinks: [{ revisionId: repositoryProfileRevision.id, links: [{ profileRevisionId: profileRevision.id, precedence: 2, isRequired: false }] }]
    },
    SecretRepo: {
      findById: [secret.id],
      getById: [secret.id],
      getForOwner: [{ ownerUserId, id: secret.id }],
      findByName: [{ ownerUserId, name: secret.name }],
      list: [{ ownerUserId, includeArchived: true, limit: 10 }],
      listVersions: [{ secretId: secret.id, limit: 10 }],
      findVersion: [{ secretId: secret.id, version: 1 }],
      rename: [{ id: secret.id, name: "other" }],
      archive: [secret.id],
      restore: [secret.id],
      delete: [secret.id]
    },
    SecretVault: {
      create: [{ id: "new", ownerUserId, name: "new", description: "of the registry", value: Redacted.make("hush"), createdByUserId: ada }],
      put: [{ ownerUserId, secretId: secret.id, value: Redacted.make("hush"), createdByUserId: ada }],
      reveal: [{ ownerUserId, secretId: secret.id, version: 1 }],
      list: [{ ownerUserId, includeArchived: true, limit: 10 }],
      listVersions: [{ ownerUserId, secretId: secret.id, limit: 10 }],
      archive: [{ ownerUserId, secretId: secret.id }],
      rotateKeys: [{ batchSize: 10 }],
      streamRotation: [{ batchSize: 10 }],
      keyStatus: [],
      retireKey: [retirable.id]
    },
    SshKeyRepo: {
      create: [{ id: "new", ownerUserId, name: "laptop", publicKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB ada@laptop", privateKeySecretId: secret.id, passphraseSecretId: secret.id }],
      findById: [sshKey.id],
      getById: [sshKey.id],
      getForOwner: [{ ownerUserId, id: sshKey.id }],
      findByFingerprint: [{ ownerUserId, fingerprint: sshKey.fingerprint }],
      list: [{ ownerUserId, includeArchived: true, limit: 10 }],
      rename: [{ id: sshKey.id, name: "other" }],
      archive: [sshKey.id],
      restore: [sshKey.id]
    }
  }
}
