/**
 * A valid call of each method of profiles, secrets and keys.
 */
import { Redacted } from "effect"
import type { Samples } from "../samples.js"
import type { Fixture } from "../fixtureRows.js"

export const profileSamples = (fixture: Fixture): Samples => {
  const {
    ada,
    profile,
    profileRevision,
    repository,
    repositoryProfile,
    repositoryProfileRevision,
    retirable,
    secret,
    sshKey,
    version
  } = fixture
  const ownerUserId = ada
  const profileId = profile.id
  const repositoryProfileId = repositoryProfile.id
  const patch = { harness: "opencode", env: { LEVEL: "info" } }
  return {
    ProfileRepo: {
      create: [{ id: "new", ownerUserId, slug: "new", name: "New", description: "for the next project" }],
      findById: [{ ownerUserId, id: profileId }],
      getById: [{ ownerUserId, id: profileId }],
      findBySlug: [{ ownerUserId, slug: profile.slug }],
      list: [{ ownerUserId, status: "active", limit: 10 }],
      update: [{ id: profileId, ownerUserId, slug: "other", name: "Other", description: "for another project" }],
      archive: [{ ownerUserId, id: profileId }],
      unarchive: [{ ownerUserId, id: profileId }],
      createRevision: [
        {
          id: "revision",
          profileId,
          ownerUserId,
          configPatch: patch,
          envVars: [{ key: "REGION", value: "north" }],
          secretBindings: [{ targetKey: "TOKEN", secretId: secret.id, isRequired: true }],
          sshSettings: {
            enabled: true,
            listenPort: 2222,
            hostAllowlist: ["10.0.0.0/8"],
            sessionTimeoutMinutes: 30,
            authorizedKeysRef: "keys"
          },
          sshKeys: [{ sshKeyId: sshKey.id, purpose: "login" }],
          createdByUserId: ada,
          changeSummary: "a region",
          setAsActive: true
        }
      ],
      listRevisions: [{ profileId, ownerUserId, limit: 10 }],
      getRevision: [{ ownerUserId, id: profileRevision.id }],
      getActiveRevision: [{ ownerUserId, id: profileId }],
      setActiveRevision: [{ profileId, ownerUserId, revisionId: profileRevision.id }]
    },
    BuildEnvironment: {
      resolve: [
        {
          ownerUserId,
          profileRevisionId: profileRevision.id,
          repositoryProfileRevisionId: repositoryProfileRevision.id
        }
      ]
    },
    RepositoryProfileRepo: {
      create: [
        { id: "new", ownerUserId, repositoryId: repository.id, name: "New", description: "for the next launch" }
      ],
      findById: [{ ownerUserId, id: repositoryProfileId }],
      getById: [{ ownerUserId, id: repositoryProfileId }],
      list: [{ ownerUserId, repositoryId: repository.id, status: "active", limit: 10 }],
      update: [{ id: repositoryProfileId, ownerUserId, name: "Other", description: "for another launch" }],
      archive: [{ ownerUserId, id: repositoryProfileId }],
      unarchive: [{ ownerUserId, id: repositoryProfileId }],
      createRevision: [
        {
          id: "revision",
          repositoryProfileId,
          ownerUserId,
          runTemplate: patch,
          policyConfig: { approvals: { count: 1 } },
          links: [{ profileRevisionId: profileRevision.id, precedence: 1, isRequired: true }],
          createdByUserId: ada,
          changeSummary: "a policy",
          setAsActive: true
        }
      ],
      listRevisions: [{ repositoryProfileId, ownerUserId, limit: 10 }],
      getRevision: [{ ownerUserId, id: repositoryProfileRevision.id }],
      getActiveRevision: [{ ownerUserId, id: repositoryProfileId }],
      setActiveRevision: [{ repositoryProfileId, ownerUserId, revisionId: repositoryProfileRevision.id }],
      replaceLinks: [
        {
          ownerUserId,
          revisionId: repositoryProfileRevision.id,
          links: [{ profileRevisionId: profileRevision.id, precedence: 2, isRequired: false }]
        }
      ]
    },
    SecretRepo: {
      findById: [{ ownerUserId, id: secret.id }],
      getById: [{ ownerUserId, id: secret.id }],
      findByName: [{ ownerUserId, name: secret.name }],
      list: [{ ownerUserId, includeArchived: true, limit: 10 }],
      listVersions: [{ ownerUserId, secretId: secret.id, limit: 10 }],
      findVersion: [{ ownerUserId, secretId: secret.id, version: 1 }],
      rename: [{ ownerUserId, id: secret.id, name: "other" }],
      archive: [{ ownerUserId, id: secret.id }],
      unarchive: [{ ownerUserId, id: secret.id }],
      delete: [{ ownerUserId, id: secret.id }]
    },
    SecretVault: {
      create: [
        {
          id: "new",
          ownerUserId,
          name: "new",
          description: "of the registry",
          value: Redacted.make("hush"),
          createdByUserId: ada
        }
      ],
      put: [{ ownerUserId, secretId: secret.id, value: Redacted.make("hush"), createdByUserId: ada }],
      reveal: [{ ownerUserId, secretId: secret.id, version: 1, versionId: version.id }],
      list: [{ ownerUserId, includeArchived: true, limit: 10 }],
      listVersions: [{ ownerUserId, secretId: secret.id, limit: 10 }],
      archive: [{ ownerUserId, secretId: secret.id }],
      rotateKeys: [{ batchSize: 10 }],
      streamRotation: [{ batchSize: 10 }],
      keyStatus: [],
      retireKey: [retirable.id]
    },
    SshKeyRepo: {
      create: [
        {
          id: "new",
          ownerUserId,
          name: "laptop",
          publicKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB ada@laptop",
          privateKeySecretId: secret.id,
          passphraseSecretId: secret.id
        }
      ],
      findById: [{ ownerUserId, id: sshKey.id }],
      getById: [{ ownerUserId, id: sshKey.id }],
      findByFingerprint: [{ ownerUserId, fingerprint: sshKey.fingerprint }],
      list: [{ ownerUserId, includeArchived: true, limit: 10 }],
      rename: [{ ownerUserId, id: sshKey.id, name: "other" }],
      archive: [{ ownerUserId, id: sshKey.id }],
      unarchive: [{ ownerUserId, id: sshKey.id }]
    }
  }
}
