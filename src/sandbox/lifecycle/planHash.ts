/**
 * The hash of the plan of an image.
 */
import { fingerprint } from "../../sql/fingerprint.js"

/**
 * Returns the hash of all inputs of an image. It includes the owner: an image can contain sources and files that other
 * users may not read.
 */
export const planHashOf = (ownerUserId: string, blueprint: object): string => fingerprint({ ownerUserId, blueprint })
