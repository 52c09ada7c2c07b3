/**
 * The resolution of symbolic links. The engine keeps its log beside the target of a link, so all operations on a
 * database use the path of the target.
 */
import { lstatSync, readlinkSync, realpathSync } from "node:fs"
import { basename, dirname, join, resolve } from "node:path"
import { codeOf } from "./DriverError.js"

// The limit of Linux (https://man7.org/linux/man-pages/man7/path_resolution.7.html).
const mostLinks = 40

/**
 * Resolves every link of a path, also when the target does not exist yet. Throws the error of the operating system
 * for a loop of links.
 */
export const resolveLinks = (path: string, links = 0): string => {
  const absolute = resolve(path)
  try {
    return realpathSync(absolute)
  } catch (error) {
    if (codeOf(error) === "ELOOP" || links >= mostLinks) throw error
    // A part of the path is a file or cannot be searched: opening the file reports the error.
    if (codeOf(error) !== "ENOENT") return absolute
  }
  const directory = dirname(absolute) === absolute ? absolute : resolveLinks(dirname(absolute), links)
  const entry = join(directory, basename(absolute))
  return isLink(entry) ? resolveLinks(resolve(directory, readlinkSync(entry)), links + 1) : entry
}

const isLink = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false
