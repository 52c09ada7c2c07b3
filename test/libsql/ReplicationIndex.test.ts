import { describe, expect, it } from "@effect/vitest"
import { ReplicationIndex, replicationIndexOf } from "../../src/libsql/ReplicationIndex.js"

const accepts = (position: ReplicationIndex, index: bigint | undefined) => position.begin()(index)

describe("an answer to a read", () => {
  it("is accepted before the first write, and from a server without numbers", () => {
    const position = new ReplicationIndex()
    expect([accepts(position, 1n), accepts(position, undefined)]).toEqual([true, true])
    position.wrote(5n)
    expect(accepts(position, undefined)).toBe(true)
  })

  it("is refused if it is older than the last write, or than an answer that was accepted", () => {
    const position = new ReplicationIndex()
    position.wrote(5n)
    expect([accepts(position, 4n), accepts(position, 5n), accepts(position, 6n)]).toEqual([false, true, true])
    position.read(7n)
    expect(accepts(position, 6n)).toBe(false)
  })

  it("is not refused for a write that began after it", () => {
    const position = new ReplicationIndex()
    position.wrote(5n)
    const isCurrent = position.begin()
    position.wrote(6n)
    expect(isCurrent(5n)).toBe(true)
  })

  it("is refused after a write without an answer or number, until the primary has answered a read", () => {
    for (const write of [
      (position: ReplicationIndex) => position.lostWrite(),
      (position: ReplicationIndex) => position.wrote("unknown")
    ]) {
      const position = new ReplicationIndex()
      position.wrote(5n)
      write(position)
      expect(accepts(position, 9n)).toBe(false)
      // This read began before the write.
      position.readOnPrimary(6n, 1)
      expect(accepts(position, 9n)).toBe(false)
      position.readOnPrimary(6n, 2)
      expect([accepts(position, 5n), accepts(position, 6n)]).toEqual([false, true])
    }
  })

  it("is refused after the numbers of the primary began again, until a server answers with one of the new numbers", () => {
    const position = new ReplicationIndex()
    position.wrote(500n)
    position.wrote(4n)
    expect(accepts(position, 500n)).toBe(false)
    position.readOnPrimary(4n, 2)
    position.discarded(500n)
    expect(accepts(position, 500n)).toBe(false)
    position.discarded(4n)
    expect(accepts(position, 4n)).toBe(true)
  })
})

describe("replicationIndexOf", () => {
  it("returns the number of the last result", () => {
    const response = JSON.stringify({ results: [{ replication_index: "7" }, { replication_index: "12" }] })
    expect(replicationIndexOf(response)).toBe(12n)
  })

  it("reports a number that the server does not know, and returns undefined without a number", () => {
    expect(replicationIndexOf('{"replication_index":null}')).toBe("unknown")
    expect(replicationIndexOf("{}")).toBe(undefined)
  })

  it("ignores stored values that contain the text of a number", () => {
    const value = '"replication_index":"99"'
    expect(replicationIndexOf(JSON.stringify({ rows: [[{ value }]], replication_index: "3", name: value }))).toBe(3n)
    expect(replicationIndexOf(JSON.stringify({ rows: [[{ value }]] }))).toBe(undefined)
  })
})
