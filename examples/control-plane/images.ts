/**
 * Where the image of a workspace is published.
 */
import type { UserId } from "@sealant/db"

/** One repository of images for each user, whose name is what registries take for one. */
export const imageOf = (userId: UserId) =>
  ({ registryId: "local", repository: `workspaces/${userId.toLowerCase().replaceAll(/[^a-z0-9-]/g, "-")}`, tag: "latest" }) as const
