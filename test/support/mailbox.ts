/**
 * The way of a mail, from its row to whoever takes it. The real local queue delivers, in this isolate, to the Worker
 * that the test configured; the real `send_email` binding takes what is sent through it. A delayed message comes at
 * once, and the clock jumps to the time at which it would have come.
 */

import { env } from 'cloudflare:workers'
import { onTestFailed, onTestFinished, vi } from 'vitest'

import worker from '../../src/index.ts'
import { TIMEOUT_MILLISECONDS } from '../../src/mail/transports/transport.ts'
import { type Overrides, startWorker, type TestWorker } from './worker.ts'

/** A row of the outbox. */
export type MailRow = Readonly<Record<string, string | number | null>> & { readonly id: string }

/** A call of the mail API, as it would go out. */
export interface ApiCall {
  readonly url: string
  readonly method: string
  readonly redirect: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: unknown
}

export interface Mailbox extends TestWorker {
  /** What the `send_email` binding was given and accepted. */
  readonly mails: readonly unknown[]
  /** The bodies of all messages that the queues delivered, redelivered ones included. */
  readonly bodies: readonly unknown[]
  /** Every log event, in order. */
  readonly logged: readonly unknown[]
  /** Those of them that are about mails. */
  readonly loggedOfMails: () => readonly unknown[]
  /** What became of the first `count` deliveries of messages with this body, from `ack` to `dead: retry in 30 s`. */
  readonly settled: (body: unknown, count: number, timeoutMilliseconds?: number) => Promise<readonly string[]>
}

// Taken before any test puts itself in between.
const consume = worker.queue.bind(worker)
const DEAD_LETTER_QUEUE = 'tessera-mail-dead'

/** A Worker to which the real queues deliver until the mocks are restored. The clock has to be a mocked one. */
export function openMailbox(overrides: Overrides = {}): Mailbox {
  const mails: unknown[] = []
  const bodies: unknown[] = []
  const logged: unknown[] = []
  const settlements: { readonly key: string; readonly outcome: string }[] = []
  const arrivals = new Map<string, number>()

  const send = async (mail: EmailMessageBuilder) => {
    const accepted = await env.EMAIL.send(mail)
    mails.push(mail)
    return accepted
  }
  const testWorker = startWorker({ EMAIL: { send }, ...overrides })

  function settle(queue: string, body: unknown, outcome: string): void {
    const where = queue === DEAD_LETTER_QUEUE ? 'dead: ' : ''
    settlements.push({ key: keyOf(body), outcome: `${where}${outcome}` })
  }

  function observe(queue: string, message: Message): Message {
    const { id, timestamp, body, attempts } = message
    bodies.push(body)
    const arrival = arrivals.get(`${queue} ${id}`)
    if (arrival !== undefined && arrival > Date.now()) vi.setSystemTime(arrival)
    return {
      id,
      timestamp,
      body,
      attempts,
      ack() {
        message.ack()
        settle(queue, body, 'ack')
      },
      retry({ delaySeconds = 0 } = {}) {
        arrivals.set(`${queue} ${id}`, Date.now() + delaySeconds * 1000)
        message.retry()
        settle(queue, body, `retry in ${delaySeconds} s`)
      },
    }
  }

  onTestFailed(emptyQueues)
  vi.spyOn(worker, 'queue').mockImplementation((batch) => {
    const { queue, metadata } = batch
    const messages = batch.messages.map((message) => observe(queue, message))
    const observed = { queue, metadata, messages, ackAll: () => batch.ackAll(), retryAll: () => batch.retryAll() }
    return consume(observed, testWorker.bindings)
  })
  for (const level of ['warn', 'error'] as const) {
    vi.spyOn(console, level).mockImplementation((event: unknown) => void logged.push(event))
  }

  return {
    ...testWorker,
    mails,
    bodies,
    logged,
    loggedOfMails: () => logged.filter((event) => String(Object(event).event).startsWith('mail_')),
    async settled(body, count, timeoutMilliseconds) {
      const key = keyOf(body)
      const outcomes = () => settlements.filter((settlement) => settlement.key === key).map(({ outcome }) => outcome)
      await waitUntil(() => outcomes().length >= count, timeoutMilliseconds)
      return outcomes()
    },
  }
}

/** Messages are told apart by the mail that they name. */
function keyOf(body: unknown): string {
  return JSON.stringify(typeof body === 'object' && body !== null && 'id' in body ? { id: body.id } : body)
}

/**
 * Takes whatever a failed test left in the queues: a message that comes back would come to the next test. A queue keeps
 * its order, and what was being delivered when the first marker was sent is back in line before the second.
 */
async function emptyQueues(): Promise<void> {
  const taken = new Set<unknown>()
  const spy = vi.spyOn(worker, 'queue').mockImplementation(async (batch) => {
    for (const { body } of batch.messages) taken.add(body)
    batch.ackAll()
  })
  for (const queue of [env.MAIL_QUEUE, env.MAIL_QUEUE, env.MAIL_DEAD_LETTERS, env.MAIL_DEAD_LETTERS]) {
    const marker = crypto.randomUUID()
    await queue.send(marker)
    await waitUntil(() => taken.has(marker))
  }
  spy.mockRestore()
}

/** A gate that holds whoever waits at it, in any request, until it is opened, or the test is over. */
export function closedGate(): { readonly passed: () => Promise<void>; readonly open: () => void } {
  let isOpen = false
  const open = () => void (isOpen = true)
  onTestFinished(open)
  return { passed: () => waitUntil(() => isOpen), open }
}

/**
 * Waits for what happens in another request. It looks again and again, since the one that waits must wake up in its own
 * request: woken by a promise of another one, its I/O would end with that one.
 */
export async function waitUntil(happened: () => boolean, timeoutMilliseconds = 4000): Promise<void> {
  await vi.waitUntil(happened, { interval: 5, timeout: timeoutMilliseconds })
}

/** Makes the seconds that a transport waits pass as milliseconds. Returns the waits that were asked for, as they come. */
export function hurryTimeouts(): readonly number[] {
  const waits: number[] = []
  const hurried = (milliseconds = 0) => {
    // Whatever else waits has its time.
    if (milliseconds < TIMEOUT_MILLISECONDS) return milliseconds
    waits.push(milliseconds)
    return milliseconds / 1000
  }
  const abortAfter = AbortSignal.timeout.bind(AbortSignal)
  vi.spyOn(AbortSignal, 'timeout').mockImplementation((milliseconds) => abortAfter(hurried(milliseconds)))
  const wait = globalThis.setTimeout
  vi.spyOn(globalThis, 'setTimeout').mockImplementation((callback, milliseconds) =>
    wait(callback, hurried(milliseconds)),
  )
  return waits
}

type MailApiAnswer = (call: ApiCall) => Promise<Response>

/** Answers of a mail API, one for each call; the last one is for all that follow. Returns the calls as they come. */
export function answerMailApi(...answers: readonly [MailApiAnswer, ...MailApiAnswer[]]): ApiCall[] {
  const calls: ApiCall[] = []
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
    // The constructor refuses what the real `fetch` would refuse, such as a line break in a header.
    const request = new Request(input, init)
    const { url, method, redirect, headers } = request
    const answer = answers[calls.length] ?? answers.at(-1)
    const call = { url, method, redirect, headers: Object.fromEntries(headers), body: await request.json() }
    calls.push(call)
    const timeout = new Promise<never>((_, reject) => {
      init?.signal?.addEventListener('abort', () => reject(init.signal?.reason as Error))
    })
    return Promise.race([answer?.(call) ?? Response.error(), timeout])
  })
  return calls
}

/**
 * Makes D1 itself refuse a write, as in `UPDATE OF sent_at ON notifications`, until the returned function is called, or
 * the test is over.
 */
export async function refuseWrites(event: string, condition = 'true'): Promise<() => Promise<void>> {
  await env.DB.prepare(
    `CREATE TRIGGER refused BEFORE ${event} WHEN ${condition} BEGIN SELECT RAISE(ABORT, 'refused'); END`,
  ).run()
  onTestFinished(allowWrites)
  return allowWrites
}

async function allowWrites(): Promise<void> {
  await env.DB.prepare('DROP TRIGGER IF EXISTS refused').run()
}

/** All rows of the outbox, oldest first. */
export async function readOutbox(): Promise<readonly MailRow[]> {
  const { results } = await env.DB.prepare('SELECT * FROM notifications ORDER BY created_at, id').all<MailRow>()
  return results
}
