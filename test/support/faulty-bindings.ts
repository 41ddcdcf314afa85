/**
 * Bindings that fail when a test says so. What they do besides is real: a batch that fails "during" was begun and
 * rolled back by D1, one that fails "after" is committed.
 */

import { vi } from 'vitest'

/**
 * - `before`: D1 never saw it
 * - `during`: D1 began it and rolled it back
 * - `after`: D1 committed it, and the answer was lost
 * - `silent`: D1 never saw it, and there is never an answer
 * - `mute`: D1 committed it, and there is never an answer
 * - `overloaded`: D1 has too much to do, and says so
 */
export type Fault = (typeof FAULTS)[number] | 'silent' | 'mute' | 'overloaded'
export const FAULTS = ['before', 'during', 'after'] as const

export interface FaultyDatabase {
  readonly database: D1Database
  /** The next round trips fail like this, `null` being one that does not. It replaces what was planned. */
  readonly fail: (...faults: readonly (Fault | null)[]) => void
  /** Every round trip fails like this, until `heal`. */
  readonly failForGood: (fault: Fault) => void
  readonly heal: () => void
  /** The round trips since `fail` or `failForGood`. */
  readonly roundTrips: () => number
}

const EXECUTE = new Set(['run', 'all', 'first', 'raw'])

/** A D1 binding whose round trips (`batch`, and each statement that is run by itself) fail as planned. */
export function faultyDatabase(d1: D1Database): FaultyDatabase {
  let planned: (Fault | null)[] = []
  let forGood: Fault | null = null
  let count = 0
  // D1 looks at the identity of a statement in `batch`, so the wrappers must give the real one back.
  const originals = new WeakMap<object, D1PreparedStatement>()

  async function attempt<T>(statements: readonly D1PreparedStatement[], run: () => Promise<T>): Promise<T> {
    const fault = forGood ?? planned[count] ?? null
    count += 1
    if (fault === null) return run()
    if (fault === 'silent') return new Promise<never>(() => {})
    if (fault === 'overloaded') throw new Error('D1_ERROR: D1 DB is overloaded. Requests queued for too long.')
    if (fault === 'during') {
      // SQLite has no absolute value for this number. It says so after the statements before it have run.
      await d1.batch([...statements, d1.prepare('SELECT abs(-9223372036854775808)')])
      throw new Error('the batch was not rolled back')
    }
    if (fault === 'after' || fault === 'mute') await run()
    if (fault === 'mute') return new Promise<never>(() => {})
    throw new Error('D1_ERROR: Network connection lost.')
  }

  function wrap(statement: D1PreparedStatement): D1PreparedStatement {
    const wrapper = new Proxy(statement, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name)
        if (typeof member !== 'function') return member
        if (name === 'bind') return (...values: unknown[]) => wrap(target.bind(...values))
        return (...args: unknown[]) => {
          const run = () => Reflect.apply(member, target, args) as Promise<unknown>
          return EXECUTE.has(String(name)) ? attempt([target], run) : run()
        }
      },
    })
    originals.set(wrapper, statement)
    return wrapper
  }

  const database = new Proxy(d1, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      if (name === 'prepare') return (text: string) => wrap(target.prepare(text))
      if (name === 'batch') {
        return (statements: D1PreparedStatement[]) => {
          const real = statements.map((statement) => originals.get(statement) ?? statement)
          return attempt(real, () => target.batch(real))
        }
      }
      return (...args: unknown[]) => Reflect.apply(member, target, args) as unknown
    },
  })

  function restart(faults: readonly (Fault | null)[], always: Fault | null): void {
    planned = [...faults]
    forGood = always
    count = 0
  }

  return {
    database,
    fail: (...faults) => restart(faults, null),
    failForGood: (fault) => restart([], fault),
    heal: () => restart([], null),
    roundTrips: () => count,
  }
}

/** What becomes of a message that is handed to the queue. */
export type SendFault = 'throws' | 'silent' | 'lost' | 'doubled' | null

/** A message as it lies in the queue. */
export interface QueuedMessage {
  readonly body: unknown
  attempts: number
}

export interface FaultyQueue {
  /** For the Worker: `send` and `sendBatch`. */
  readonly producer: Pick<Queue, 'send' | 'sendBatch'>
  readonly messages: QueuedMessage[]
  /** What becomes of what is sent from now on. */
  readonly fail: (fault: SendFault) => void
  /** Delivers a message now, which may be late. A copy of it stays when it is to be delivered twice. */
  readonly deliver: (message: QueuedMessage, twice: boolean) => Promise<void>
}

/**
 * A queue that keeps only what Cloudflare promises: at least once, in any order, at any time. The test's hand is the
 * only thing that delivers, so that every schedule can be had.
 */
export function faultyQueue(consume: (batch: MessageBatch) => Promise<void>): FaultyQueue {
  const messages: QueuedMessage[] = []
  let fault: SendFault = null

  async function accept(body: unknown): Promise<void> {
    if (fault === 'throws') throw new Error('Queue is overloaded')
    if (fault === 'silent') await new Promise<never>(() => {})
    const copies = fault === 'lost' ? 0 : fault === 'doubled' ? 2 : 1
    for (let i = 0; i < copies; i++) messages.push({ body, attempts: 0 })
  }

  const metrics = { backlogCount: 0, backlogBytes: 0, oldestMessageTimestamp: undefined }
  return {
    messages,
    producer: {
      async send(body) {
        await accept(body)
        return { metadata: { metrics } } as unknown as QueueSendResponse
      },
      async sendBatch(batch) {
        await Promise.all(Array.from(batch, ({ body }) => accept(body)))
        return { metadata: { metrics } } as unknown as QueueSendBatchResponse
      },
    },
    fail: (next) => void (fault = next),
    async deliver(queued, twice) {
      queued.attempts += 1
      let isDone = false
      const message = {
        id: String(messages.indexOf(queued)),
        timestamp: new Date(),
        body: queued.body,
        attempts: queued.attempts,
        ack: () => void (isDone = true),
        retry: () => void (isDone = false),
      }
      const batch = { queue: 'tessera-mail', messages: [message], ackAll() {}, retryAll() {} }
      await consume(batch as unknown as MessageBatch)
      const i = messages.indexOf(queued)
      if (isDone && !twice && i >= 0) messages.splice(i, 1)
    },
  }
}

/** Makes pauses pass at once, so that a test of three tries does not take their time. Limits stay as long as they are. */
export function skipPauses(): void {
  const callAfter = globalThis.setTimeout
  vi.spyOn(globalThis, 'setTimeout').mockImplementation((callback: () => void, milliseconds = 0) =>
    callAfter(callback, milliseconds < 500 ? 0 : milliseconds),
  )
}
