/**
 * The names of workspace images.
 */
import type { UserId } from "@sealant/db/auth"

/** Returns the image repository of a user, with a name that registries accept. */
export const imageOf = (userId: UserId) =>
  ({
    registryId: "local",
    repository: `workspaces/${userId.toLowerCase().replaceAll(/[^a-z0-9-]/g, "-")}`,
    tag: "latest"
  }) as const
