import { afterEach, beforeEach, describe, expect, it } from "@effect/vitest"
import Native from "libsql"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { EngineThread } from "../../src/libsql/EngineThread.js"
import { makeTemporaryDirectory, removeDirectory } from "../support/directories.js"

let directory = ""

beforeEach(() => {
  directory = makeTemporaryDirectory()
})

afterEach(() => removeDirectory(directory))

const codeOf = (answer: Promise<unknown>) =>
  answer.then(
    () => "none",
    ({ code }: { readonly code: string }) => code
  )

describe("an engine in a thread", () => {
  it("answers in order without blocking the event loop", async () => {
    const path = join(directory, "thread.sqlite")
    writeFileSync(path, "")
    const thread = new EngineThread(path, 0, "write")
    await thread.exec("CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (1)")
    let turns = 0
    const turn = setInterval(() => turns++, 0)
    const answers = await Promise.all([
      thread.all(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000) SELECT count(*) AS count FROM n"
      ),
      codeOf(thread.all("SELECT nothing FROM t")),
      thread.all("SELECT n FROM t")
    ])
    clearInterval(turn)
    expect(answers).toEqual([[{ count: 2_000_000 }], "SQLITE_ERROR", [{ n: 1 }]])
    expect(turns).toBeGreaterThan(1)
    await thread.close()
    expect(await codeOf(thread.all("SELECT 1"))).toBe("SEALANT_CLOSED")
  })

  it("does not create a missing file", async () => {
    const path = join(directory, "none.sqlite")
    const thread = new EngineThread(path, 0)
    expect(await codeOf(thread.exec("CREATE TABLE t (n INTEGER)"))).toBe("SQLITE_CANTOPEN")
    await thread.close()
    expect(existsSync(path)).toBe(false)
  })

  it("writes nothing to an immutable file and creates no file beside it, for any file name", async () => {
    const path = join(directory, "a #1 100%? file.sqlite")
    const program = new Native(path)
    program.exec("PRAGMA journal_mode = wal; CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (1)")
    program.close()
    const before = readFileSync(path)
    const thread = new EngineThread(path, 0, "immutable")
    expect(await thread.all("SELECT n FROM t")).toEqual([{ n: 1 }])
    expect(await codeOf(thread.exec("INSERT INTO t VALUES (2)"))).toBe("SQLITE_READONLY")
    expect(readdirSync(directory)).toEqual(["a #1 100%? file.sqlite"])
    await thread.close()
    expect([readFileSync(path).equals(before), readdirSync(directory)]).toEqual([true, ["a #1 100%? file.sqlite"]])
  })

  it("closes after its current statement without blocking a caller", async () => {
    const path = join(directory, "thread.sqlite")
    writeFileSync(path, "")
    const thread = new EngineThread(path, 0)
    const answer = thread.all(
      "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000) SELECT count(*) AS count FROM n"
    )
    let answered = false
    void answer.then(() => (answered = true))
    await thread.close()
    expect(answered).toBe(false)
    expect(await answer).toEqual([{ count: 2_000_000 }])
  })
})
