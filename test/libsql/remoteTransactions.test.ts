/**
 * Transactions on a server: all or nothing, whatever the server and the network do; and whoever asks learns which.
 */
import { SqlClient, type SqlError } from "@effect/sql"
import { createClient } from "@libsql/client"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer } from "effect"
import * as Database from "../../src/Database.js"
import { persistenceErrorOf } from "../../src/sql/engineError.js"
import { RemoteTransaction } from "../../src/libsql/RemoteTransaction.js"
import { turns, until } from "../support/eventLoop.js"
import type { ServerOptions, Peer } from "../support/hrana/Peer.js"
import { during, once, onPeer, requestsOf, run } from "./remoteSupport.js"

const insert = (n: number) => run("INSERT INTO numbers VALUES (?, NULL)", n)

const stored = Effect.map(run("SELECT n FROM numbers ORDER BY n"), (rows) => rows.map((row) => Reflect.get(row, "n")))

const reasonOf = <A, R>(effect: Effect.Effect<A, SqlError.SqlError, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    const { cause, reason } = persistenceErrorOf("here", error)
    return `${reason} ${cause}`
  })

const withTransaction = <A, E, R>(body: Effect.Effect<A, E, R>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql.withTransaction(body))

const onTable = <A, E, R>(use: (peer: Peer) => Effect.Effect<A, E, R>, serverOptions?: Partial<ServerOptions>) =>
  onPeer(
    (peer) =>
      Effect.zipRight(
        run(
          "CREATE TABLE numbers (n INTEGER PRIMARY KEY, parent INTEGER REFERENCES numbers (n) DEFERRABLE INITIALLY DEFERRED) STRICT"
        ),
        use(peer)
      ),
    serverOptions
  )

/** The server does something with its streams. */
const then = (act: () => void) => Effect.sync(act)

describe("a transaction on a server", () => {
  it.effect("sends nothing while it is empty, and begins with its first statement", () =>
    onTable((peer) =>
      Effect.gen(function* () {
        expect(yield* requestsOf(peer, withTransaction(Effect.void))).toBe(0)
        // BEGIN goes with the first statement; COMMIT closes the stream.
        expect(yield* requestsOf(peer, withTransaction(Effect.zipRight(insert(1), insert(2))))).toBe(3)
        expect(peer.streams.transactions).toBe(0)
        expect(yield* stored).toEqual([1, 2])
      })
    )
  )

  it.effect("rolls back on failure, and releases the lock before it reports the error", () =>
    onTable((peer) =>
      Effect.gen(function* () {
        expect(yield* Effect.flip(withTransaction(Effect.zipRight(insert(1), Effect.fail("mine"))))).toBe("mine")
        expect(peer.streams.transactions).toBe(0)
        expect(yield* stored).toEqual([])
      })
    )
  )

  it.effect("continues after a rejected statement, also when it was the first", () =>
    onTable(() =>
      Effect.gen(function* () {
        yield* insert(1)
        yield* withTransaction(Effect.all([Effect.flip(insert(1)), insert(2), Effect.flip(insert(2)), insert(3)]))
        expect(yield* stored).toEqual([1, 2, 3])
      })
    )
  )

  it.effect("that fails to commit is an error, and stores nothing", () =>
    onTable((peer) =>
      Effect.gen(function* () {
        const orphan = run("INSERT INTO numbers VALUES (1, 99)")
        expect(yield* reasonOf(withTransaction(orphan))).toBe("Unknown SQLITE_CONSTRAINT_FOREIGNKEY")
        expect(peer.streams.transactions).toBe(0)
        yield* insert(2)
        expect(yield* stored).toEqual([2])
      })
    )
  )

  it.effect("closes a stream that opens after its end", () =>
    onTable((peer) =>
      Effect.gen(function* () {
        const client = createClient({ url: peer.url })
        const interactive = yield* Effect.promise(() => client.transaction("write"))
        const [asked, given] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        const opened = Effect.zipRight(Deferred.succeed(asked, undefined), Deferred.await(given))
        const transaction = new RemoteTransaction(
          () => Promise.resolve(() => undefined),
          (use) => Effect.runPromise(opened).then(() => use(interactive)),
          () => {}
        )
        const answer = yield* Effect.fork(
          Effect.tryPromise({ try: () => transaction.run("SELECT 1", []), catch: (error) => error })
        )
        yield* Deferred.await(asked)
        yield* Effect.promise(() => transaction.rollback())
        yield* Deferred.succeed(given, undefined)
        expect(yield* Effect.flip(Fiber.join(answer))).toMatchObject({ code: "SEALANT_TRANSACTION_OVER" })
        expect(interactive.closed).toBe(true)
        client.close()
      })
    )
  )

  it.effect("has sequential savepoints", () =>
    onTable(() =>
      Effect.gen(function* () {
        yield* withTransaction(
          Effect.gen(function* () {
            yield* insert(1)
            const failing = withTransaction(Effect.zipRight(insert(2), Effect.fail("no")))
            yield* Effect.all(
              [Effect.ignore(failing), withTransaction(insert(3)), Effect.flip(withTransaction(insert(1)))],
              { concurrency: 3 }
            )
            yield* insert(4)
          })
        )
        expect(yield* stored).toEqual([1, 3, 4])
      })
    )
  )

  it.live("that is interrupted at any point is rolled back", () =>
    onTable(
      (peer) =>
        Effect.gen(function* () {
          for (const wait of [/INSERT/, /SELECT/, /SAVEPOINT/]) {
            let met = false
            peer.faultInjection = (statements) => {
              met ||= statements.some((text) => wait.test(text))
              return undefined
            }
            const body = Effect.all([insert(1), run("SELECT 1"), withTransaction(insert(2)), Effect.never])
            const fiber = yield* Effect.fork(withTransaction(body))
            yield* until(() => met)
            yield* Fiber.interrupt(fiber)
            yield* until(() => peer.streams.transactions === 0)
            expect(yield* stored).toEqual([])
          }
        }),
      { latencyMs: 1, streamExpiryMs: 3_600_000 }
    )
  )
})

describe("an interrupted statement", () => {
  it.live("does not block later ones, also when it would have begun the transaction", () =>
    onTable((peer) =>
      Effect.gen(function* () {
        const { lock } = peer.streams
        const other = { lose: () => undefined }
        yield* Effect.promise(() => lock.acquire(other))
        yield* withTransaction(
          Effect.gen(function* () {
            const first = yield* Effect.fork(insert(1))
            yield* until(() => lock.waiting === 1)
            yield* Fiber.interrupt(first)
            const second = yield* Effect.fork(insert(2))
            yield* turns(20)
            lock.release(other)
            yield* Fiber.join(second)
          })
        )
        expect(peer.streams.transactions).toBe(0)
        expect(yield* stored).toEqual([1, 2])
      })
    )
  )
})

describe("a transaction that the server ends", () => {
  /** Ignores the failure and continues, as careless code does. */
  const ignoringFailure = (act: () => void) =>
    withTransaction(
      Effect.gen(function* () {
        yield* insert(1)
        yield* then(act)
        yield* Effect.ignore(insert(2))
        yield* Effect.ignore(insert(3))
        yield* Effect.ignore(withTransaction(insert(4)))
      })
    )

  const endings: ReadonlyArray<readonly [name: string, end: (peer: Peer) => () => void, reason: string]> = [
    ["because its stream expired", (peer) => () => peer.streams.expireAll(), "Busy SQLITE_BUSY_STREAM_EXPIRED"],
    ["because it lasted too long", (peer) => () => peer.streams.lock.steal(), "Busy SQLITE_BUSY_TRANSACTION_TIMEOUT"]
  ]

  for (const [name, end, reason] of endings) {
    it.effect(`${name} fails, and nothing of it is stored, whatever its body does`, () =>
      onTable((peer) =>
        Effect.gen(function* () {
          expect(yield* reasonOf(ignoringFailure(end(peer)))).toBe(reason)
          expect(yield* stored).toEqual([])
          const inTheEnd = withTransaction(Effect.zipRight(insert(1), then(end(peer))))
          expect(yield* reasonOf(inTheEnd)).toBe(reason)
          expect(yield* stored).toEqual([])
          const inASavepoint = withTransaction(
            Effect.zipRight(insert(1), withTransaction(Effect.zipRight(insert(2), then(end(peer)))))
          )
          expect(yield* reasonOf(inASavepoint)).toBe(reason)
          const afterOne = withTransaction(
            Effect.zipRight(
              Effect.ignore(
                withTransaction(
                  Effect.zipRight(insert(1), Effect.sync(end(peer)).pipe(Effect.zipRight(Effect.fail("no"))))
                )
              ),
              insert(2)
            )
          )
          expect(yield* reasonOf(afterOne)).toBe(reason)
          expect(yield* stored).toEqual([])
          yield* withTransaction(insert(5))
          expect(yield* stored).toEqual([5])
        })
      )
    )
  }

  it.live("while others wait for its lock: they get it, and its next statement fails", () =>
    onTable(
      (peer) =>
        Effect.gen(function* () {
          const other = yield* Effect.fork(
            Effect.zipRight(
              until(() => peer.streams.transactions === 1),
              insert(2)
            ).pipe(Effect.provide(Layer.fresh(Database.layerRemote({ url: peer.url }))))
          )
          const slow = withTransaction(
            Effect.gen(function* () {
              yield* insert(1)
              yield* until(() => peer.streams.lock.waiting === 1)
              yield* until(() => peer.streams.transactions === 0)
              yield* insert(3)
            })
          )
          expect(yield* reasonOf(slow)).toBe("Busy SQLITE_BUSY_TRANSACTION_TIMEOUT")
          yield* Fiber.join(other)
          expect(yield* stored).toEqual([2])
        }),
      { transactionLimitMs: 10 }
    )
  )

  it.live("after an idle timeout", () =>
    onTable(
      (peer) =>
        Effect.gen(function* () {
          const idle = withTransaction(
            Effect.zipRight(
              insert(1),
              Effect.zipRight(
                until(() => peer.streams.transactions === 0),
                insert(2)
              )
            )
          )
          expect(yield* reasonOf(idle)).toBe("Busy SQLITE_BUSY_STREAM_EXPIRED")
          expect(yield* stored).toEqual([])
        }),
      { streamExpiryMs: 10 }
    )
  )

  it.effect("by a rejected statement ends on the client, too", () =>
    onTable(() =>
      Effect.gen(function* () {
        yield* insert(1)
        const refused = Effect.ignore(run("INSERT OR ROLLBACK INTO numbers VALUES (1, NULL)"))
        const body = Effect.all([insert(2), refused, Effect.ignore(insert(3)), Effect.ignore(insert(4))])
        expect(yield* reasonOf(withTransaction(body))).toBe("Unknown SEALANT_TRANSACTION_OVER")
        expect(yield* reasonOf(withTransaction(Effect.all([insert(2), refused])))).toBe(
          "Unknown SEALANT_TRANSACTION_OVER"
        )
        const nested = Effect.all([
          insert(2),
          Effect.ignore(withTransaction(Effect.zipRight(refused, Effect.fail("no")))),
          Effect.ignore(insert(3))
        ])
        expect(yield* reasonOf(withTransaction(nested))).toMatch(/^Unknown /)
        expect(yield* stored).toEqual([1])
      })
    )
  )
})

describe("a transaction with a lost answer", () => {
  for (const fault of ["lost-request", "lost-answer", 500] as const) {
    it.effect(`(${fault}) before its COMMIT is rolled back`, () =>
      onTable((peer) =>
        Effect.gen(function* () {
          for (const at of [/^BEGIN/, /VALUES \(2/, /^SAVEPOINT/, /^RELEASE/]) {
            const body = Effect.all([
              Effect.ignore(insert(1)),
              Effect.ignore(run("INSERT INTO numbers VALUES (2, NULL)")),
              Effect.ignore(withTransaction(insert(3))),
              Effect.ignore(insert(4))
            ])
            expect(yield* reasonOf(withTransaction(body)).pipe(during(peer, once(at, fault)))).toMatch(
              /^Unavailable (HRANA_|HTTP_500)/
            )
            // What is left of it on the server goes with its stream.
            peer.streams.expireAll()
            expect(yield* stored).toEqual([])
          }
        })
      )
    )
  }

  it.effect("to its COMMIT fails with an unknown outcome", () =>
    onTable((peer) =>
      Effect.gen(function* () {
        const both = Effect.zipRight(insert(1), insert(2))
        expect(yield* reasonOf(withTransaction(both)).pipe(during(peer, once(/^COMMIT$/, "lost-request")))).toMatch(
          /^Unavailable HRANA_/
        )
        peer.streams.expireAll()
        expect(yield* stored).toEqual([])
        expect(yield* reasonOf(withTransaction(both)).pipe(during(peer, once(/^COMMIT$/, "lost-answer")))).toMatch(
          /^Unavailable HRANA_/
        )
        expect(yield* stored).toEqual([1, 2])
      })
    )
  )
})

describe("many streams at once", () => {
  it.live("share the lock, and lose no acknowledged write", () =>
    onTable(
      () =>
        Effect.gen(function* () {
          const add = (n: number) => withTransaction(Effect.zipRight(insert(2 * n), insert(2 * n + 1)))
          yield* Effect.forEach(
            Array.from({ length: 12 }, (_, n) => n),
            (n) => (n % 4 === 0 ? Effect.zipRight(insert(2 * n), insert(2 * n + 1)) : add(n)),
            {
              concurrency: "unbounded"
            }
          )
          expect(yield* stored).toEqual(Array.from({ length: 24 }, (_, n) => n))
        }),
      { lockTimeoutMs: 50 }
    )
  )
})
