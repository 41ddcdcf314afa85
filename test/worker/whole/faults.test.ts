/**
 * What happens when a part fails: D1 before, during and after a commit, the queue, the mail API. Whatever failed, and
 * however often: no session is lost or forked, and no mail is lost or sent twice.
 */

import { env } from 'cloudflare:workers'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { createAccount, HASHES, PASSWORD, type TestAccount } from '../../support/accounts.ts'
import { TEST_BINDINGS } from '../../support/bindings.ts'
import {
  type Fault,
  FAULTS,
  faultyDatabase,
  type FaultyDatabase,
  faultyQueue,
  type FaultyQueue,
  type SendFault,
  skipPauses,
} from '../../support/faulty-bindings.ts'
import { decodeToken } from '../../support/forge.ts'
import { type ApiCall, answerMailApi } from '../../support/mailbox.ts'
import {
  type CallOptions,
  ELSEWHERE,
  HOME,
  type Overrides,
  pairOf,
  startWorker,
  type TestWorker,
} from '../../support/worker.ts'

const START = Date.parse('2026-11-20T10:30:15Z') / 1000
const VIAS = ['json', 'GET', 'POST'] as const
type Via = (typeof VIAS)[number]
const WINDOWS = [0, 10] as const
type Window = (typeof WINDOWS)[number]

const TIMEOUT_MILLISECONDS = 30_000

/** The Worker over a D1 and a queue that fail as planned. One for each setting: their keys are derived once. */
interface Rig extends TestWorker {
  readonly d1: FaultyDatabase
  readonly queue: TestWorker['queue']
  readonly messages: FaultyQueue
}

interface Tokens {
  readonly access: string
  readonly refresh: string
}

function createRig(overrides: Overrides): Rig {
  const d1 = faultyDatabase(env.DB)
  const messages = faultyQueue((batch) => worker.queue(batch))
  const worker = startWorker({ DB: d1.database, MAIL_QUEUE: messages.producer, ...overrides })
  return { ...worker, d1, messages }
}

const rigs = {
  0: createRig({ REFRESH_REUSE_SECONDS: '0' }),
  10: createRig({ REFRESH_REUSE_SECONDS: '10' }),
}
const mailing = createRig({ MAIL_TRANSPORT: 'api', MAIL_API_URL: 'https://mail.example.net/emails' })

beforeEach(() => {
  setClock(START)
  vi.spyOn(console, 'warn').mockImplementation(() => {})
  skipPauses()
})

afterEach(async () => {
  vi.restoreAllMocks()
  vi.useRealTimers()
  for (const { d1, messages } of [...Object.values(rigs), mailing]) {
    d1.heal()
    messages.fail(null)
    messages.messages.length = 0
  }
  await clearTables()
})

/** All ways in which one or two tries of three can fail. */
const PASSING_TROUBLE = [...FAULTS.map((fault) => [fault]), ...FAULTS.flatMap((a) => FAULTS.map((b) => [a, b]))]

describe('a refresh that D1 fails once or twice', () => {
  const rows = PASSING_TROUBLE.flatMap((faults) => VIAS.map((via) => ({ via, trouble: faults.join(', '), faults })))

  test.each(rows)('gives the caller the next pair, over $via, when it fails $trouble', async ({ via, faults }) => {
    const rig = rigs[0]
    const { account, first } = await signedIn(rig)
    rig.d1.fail(...faults)
    const response = await refresh(rig, first, via)
    expect([response.status, rig.d1.roundTrips()]).toEqual([200, faults.length + 1])

    const next = await tokensOf(response, via)
    expect(await sessionsOf(account)).toEqual([live(next, first)])
    expect((await refresh(rig, next, via)).status).toBe(200)
  })
})

describe('a refresh during an outage of D1', () => {
  const faults = fc.tuple(...range(3).map(() => fc.constantFrom(...FAULTS)))
  const outage = fc.record({
    /** Each try of the client meets three failures. */
    tries: fc.array(faults, { minLength: 1, maxLength: 3 }),
    pause: fc.constantFrom(0, 1, 10, 11, 20),
    via: fc.constantFrom<Via>(...VIAS),
    window: fc.constantFrom<Window>(...WINDOWS),
  })

  test(
    'is a 503 with Retry-After and without a cookie, and the same token is good afterwards',
    async () => {
      await fc.assert(
        fc.asyncProperty(outage, async ({ tries, pause, via, window }) => {
          const rig = rigs[window]
          const { account, first } = await signedIn(rig)
          for (const three of tries) {
            rig.d1.fail(...three)
            await expectUnavailable(await refresh(rig, first, via), via)
            expect(rig.d1.roundTrips()).toBe(3)
            passSeconds(pause)
          }
          rig.d1.heal()
          const response = await refresh(rig, first, via)
          expect(response.status).toBe(200)
          const next = await tokensOf(response, via)
          expect(await sessionsOf(account)).toEqual([live(next, first)])
          expect((await refresh(rig, next, via)).status).toBe(200)
        }),
        { numRuns: 30 },
      )
    },
    TIMEOUT_MILLISECONDS,
  )

  test(
    'of N callers of one token leaves one of them, at least, with the live pair, and nobody a fork',
    async () => {
      const callers = fc.integer({ min: 2, max: 6 })
      await fc.assert(
        fc.asyncProperty(outage, callers, callers, async ({ tries, pause, window }, during, after) => {
          const rig = rigs[window]
          const { account, first } = await signedIn(rig)
          for (const [fault = 'before'] of tries) {
            rig.d1.failForGood(fault)
            const refused = await Promise.all(range(during).map((i) => refresh(rig, first, viaOf(i))))
            expect(refused.map(({ status }) => status)).toEqual(range(during).map(() => 503))
            passSeconds(pause)
          }
          rig.d1.heal()
          const answers = await Promise.all(range(after).map((i) => refresh(rig, first, viaOf(i))))
          const winners = await Promise.all(
            answers.flatMap((answer, i) => (answer.status === 200 ? [tokensOf(answer, viaOf(i))] : [])),
          )
          expect(winners.length).toBeGreaterThanOrEqual(1)
          expect(new Set(winners.map((pair) => pair.refresh)).size).toBe(1)
          expect(await sessionsOf(account)).toEqual([live(winners[0], first)])
          expect(await mailsOf(account)).toEqual([])
        }),
        { numRuns: 20 },
      )
    },
    TIMEOUT_MILLISECONDS,
  )

  test('shields nobody who presents the same token long after another isolate has exchanged it', async () => {
    const rig = rigs[0]
    const elsewhere = createRig({})
    const { account, first } = await signedIn(rig)
    rig.d1.failForGood('before')
    await expectUnavailable(await refresh(rig, first, 'json'), 'json')
    rig.d1.heal()
    const next = await tokensOf(await refresh(elsewhere, first, 'json'), 'json')
    passSeconds(3600)
    await expectRefused(await refresh(rig, first, 'json'), 'token_used', 'json')
    expect(await sessionsOf(account)).toEqual([ended(next, first, 'reuse', 3600)])
    expect(await mailsOf(account)).toHaveLength(1)
  })

  test('in which it was committed gives nothing to whoever has a copy elsewhere', async () => {
    for (const via of VIAS) {
      const rig = rigs[0]
      const { first } = await signedIn(rig)
      rig.d1.failForGood('after')
      await expectUnavailable(await refresh(rig, first, via), via)
      rig.d1.heal()
      const stolen = await refresh(rig, first, via, ELSEWHERE)
      expect([stolen.status, stolen.headers.getSetCookie()]).toEqual([401, []])
    }
  })
})

describe('a D1 that does not answer', () => {
  test('is asked again: the write it had done is not lost', async () => {
    const silent = { calls: 0 }
    const database = new Proxy(env.DB, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name)
        if (typeof member !== 'function') return member
        if (name !== 'batch') return member.bind(target)
        return async (statements: D1PreparedStatement[]) => {
          const results = await target.batch(statements)
          silent.calls += 1
          // The second batch is the first try of the refresh: committed, and never heard of.
          return silent.calls === 2 ? new Promise<never>(() => {}) : results
        }
      },
    })
    const worker = startWorker({ DB: database })
    const cookies = pairOf(await worker.call(`/${crypto.randomUUID()}`))

    const response = await worker.call('/refresh', { cookies })

    expect([response.status, silent.calls]).toEqual([200, 3])
    expect((await worker.call('/refresh', { cookies: pairOf(response) })).status).toBe(200)
  })
})

describe('a D1 that is overloaded', () => {
  test.each(VIAS)('is asked once: over %s the answer is 503, and the same token is good afterwards', async (via) => {
    const rig = rigs[0]
    const { account, first } = await signedIn(rig)
    rig.d1.failForGood('overloaded')
    await expectUnavailable(await refresh(rig, first, via), via)
    expect(rig.d1.roundTrips()).toBe(1)

    rig.d1.heal()
    const response = await refresh(rig, first, via)
    expect(response.status).toBe(200)
    expect(await sessionsOf(account)).toEqual([live(await tokensOf(response, via), first)])
  })
})

describe('a refresh that ends its session', () => {
  const rows = FAULTS.flatMap((fault) =>
    VIAS.flatMap((via) => (['location', 'reuse'] as const).map((reason) => ({ reason, fault, via }))),
  )

  test.each(rows)('because of $reason, over $via, mails once when D1 fails $fault the end', async (row) => {
    const { reason, fault, via } = row
    const rig = mailing
    const calls = mailApi()
    const { account, first } = await signedIn(rig)
    const second = await tokensOf(await refresh(rig, first, via), via)
    const third = await tokensOf(await refresh(rig, second, via), via)
    const attack = () =>
      reason === 'location' ? refresh(rig, third, via, ELSEWHERE) : refresh(rig, first, via, ELSEWHERE)
    // The rotation answers, then the end fails.
    rig.d1.fail(null, fault)
    await expectUnavailable(await attack(), via)
    rig.d1.heal()
    expect(await sessionsOf(account)).toEqual(
      fault === 'after' ? [ended(third, second, reason)] : [live(third, second)],
    )

    const isToldWhy = reason === 'location' && fault !== 'after'
    await expectRefused(await attack(), isToldWhy ? 'location_blocked' : 'token_used', via)
    await expectRefused(await refresh(rig, third, via), 'token_used', via)
    expect(await sessionsOf(account)).toEqual([ended(third, second, reason)])

    await settleMails(rig)
    expect(calls.map(({ headers }) => headers['idempotency-key'])).toEqual([
      (await mailsOf(account)).map(({ id }) => id).join(),
    ])
  })
})

describe('signing in', () => {
  test.each(FAULTS)('by guid is a 503 when D1 fails %s, and goes well the next time', async (fault) => {
    const rig = rigs[0]
    const guid = crypto.randomUUID()
    rig.d1.fail(fault)
    await expectUnavailable(await rig.call(`/${guid}`), 'GET')
    const response = await rig.call(`/${guid}`)
    expect(response.status).toBe(200)

    const opened = await tokensOf(response, 'GET')
    const sessions = await sessionsOf({ guid })
    // A lost answer leaves a session of which nobody has a token: it expires.
    expect(sessions).toHaveLength(fault === 'after' ? 2 : 1)
    expect(sessions).toContainEqual(live(opened, null))
    expect((await refresh(rig, opened, 'GET')).status).toBe(200)
  })

  test.each(FAULTS)('by password is a 503 when D1 fails %s, and goes well the next time', async (fault) => {
    const rig = rigs[0]
    // An outdated hash, so that the batch also replaces it.
    const account = await createAccount(env.DB, { passwordHash: HASHES.weakArgon2id })
    const signIn = () =>
      rig.call('/auth/token', { method: 'POST', json: { primary_email: account.email, password: PASSWORD } })
    rig.d1.fail(null, fault)
    await expectUnavailable(await signIn(), 'json')
    const wasReplaced = (await hashOf(account)) !== HASHES.weakArgon2id
    expect(wasReplaced).toBe(fault === 'after')
    const response = await signIn()
    expect(response.status).toBe(200)

    const sessions = await sessionsOf(account)
    expect(sessions).toHaveLength(fault === 'after' ? 2 : 1)
    expect(sessions).toContainEqual(live(await tokensOf(response, 'json'), null))
  })
})

describe('ending sessions', () => {
  interface End {
    readonly name: string
    /** Round trips before the one that writes. */
    readonly reads: number
    readonly reason: string
    /** The answer to a second try, when the first one had been committed. */
    readonly again: number
    readonly request: (victim: Tokens, other: Tokens) => [path: string, options: CallOptions]
  }
  const ends: readonly End[] = [
    {
      name: 'by an access token',
      reads: 0,
      reason: 'revoked',
      again: 204,
      request: ({ access }) => ['/auth/token/revoke', { method: 'POST', json: { token: access } }],
    },
    {
      name: 'by a refresh token',
      reads: 0,
      reason: 'revoked',
      again: 204,
      request: (victim) => ['/auth/token/revoke', { method: 'POST', json: { refresh: victim.refresh } }],
    },
    {
      name: 'by signing out',
      reads: 0,
      reason: 'signed_out',
      again: 204,
      request: ({ access }) => ['/auth/session', { method: 'DELETE', cookies: { access_token: access } }],
    },
    {
      name: 'one, from the list',
      reads: 1,
      reason: 'revoked',
      again: 404,
      request: (victim, other) => [`/auth/sessions/${sidOf(victim)}`, { method: 'DELETE', headers: bearer(other) }],
    },
    {
      name: 'all but the own',
      reads: 1,
      reason: 'with its account',
      again: 204,
      request: (_, other) => ['/auth/sessions', { method: 'DELETE', headers: bearer(other) }],
    },
  ]

  test.each(ends.flatMap((end) => FAULTS.map((fault) => ({ ...end, fault }))))(
    '$name is a 503 when D1 fails $fault, ends what it should by the next try, and nothing else',
    async ({ reads, reason, again, request, fault }) => {
      const rig = rigs[0]
      const { account, first: victim } = await signedIn(rig)
      const other = await tokensOf(await rig.call(`/${account.guid}`), 'GET')
      const [path, options] = request(victim, other)
      rig.d1.fail(...range(reads).map(() => null), fault)
      await expectUnavailable(await rig.call(path, options), 'json')
      const isEnded = fault === 'after'
      expect(await sessionsOf(account)).toEqual(
        [isEnded ? ended(victim, null, reason) : live(victim, null), live(other, null)].toSorted(bySid),
      )
      passSeconds(5)
      expect((await rig.call(path, options)).status).toBe(isEnded ? again : 204)
      // What ends with its account ends anew, which is the same to it.
      const seconds = isEnded && reason !== 'with its account' ? 0 : 5
      expect(await sessionsOf(account)).toEqual(
        [ended(victim, null, reason, seconds), live(other, null)].toSorted(bySid),
      )
    },
  )
})

describe('a link of a mail', () => {
  const rows = FAULTS.flatMap((fault) =>
    [
      { path: '/links/end-sessions', reads: 0 },
      { path: '/links/allow-place', reads: 1 },
    ].map((row) => ({ ...row, fault })),
  )

  test.each(rows)('to $path works once, though D1 fails $fault its first use', async ({ path, reads, fault }) => {
    const rig = mailing
    const calls = mailApi()
    const { account, first } = await signedIn(rig)
    const other = await tokensOf(await rig.call(`/${account.guid}`), 'GET')
    await refresh(rig, first, 'GET', ELSEWHERE)
    await settleMails(rig)
    const { text } = (calls[0]?.body ?? {}) as { text?: string }
    const link = new URL(text?.match(/https:\S+/g)?.find((url) => url.includes(path)) ?? '')
    const press = async () => {
      const response = await rig.call(link.pathname, {
        method: 'POST',
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
        body: link.searchParams.toString(),
      })
      const { status } = response
      return { status, retryAfter: response.headers.get('Retry-After'), title: titleOf(await response.text()) }
    }
    const done = { 'end-sessions': 'All your sessions have ended', 'allow-place': 'This place is allowed' }
    const success = done[path.slice('/links/'.length) as keyof typeof done]

    rig.d1.fail(...range(reads).map(() => null), fault)
    expect(await press()).toEqual({ status: 503, retryAfter: '1', title: 'This did not work just now' })
    rig.d1.heal()
    const used = { status: 401, retryAfter: null, title: 'This link was used already' }
    expect(await press()).toEqual(fault === 'after' ? used : { status: 200, retryAfter: null, title: success })
    expect(await press()).toEqual(used)

    const isEnd = path.endsWith('end-sessions')
    const blocked = ended(first, null, 'location')
    expect(await sessionsOf(account)).toEqual(
      [blocked, isEnd ? ended(other, null, 'with its account') : live(other, null)].toSorted(bySid),
    )
    expect(await placesOf(account)).toEqual(isEnd ? [] : [`address:${ELSEWHERE}/32`])
  })
})

describe('a route that only reads', () => {
  test.each([
    ['/auth/me', 'GET'],
    ['/auth/sessions', 'GET'],
    ['/auth/places', 'GET'],
    ['/auth/token/introspect', 'POST'],
  ] as const)(
    '%s is a 503 with Retry-After while D1 is down: never a 401, which would sign people out',
    async (...row) => {
      const [path, method] = row
      const rig = rigs[0]
      const { account, first } = await signedIn(rig)
      const isIntrospection = path.endsWith('introspect')
      rig.d1.failForGood('before')
      const response = await rig.call(path, {
        method,
        headers: { Authorization: `Bearer ${isIntrospection ? TEST_BINDINGS.SERVICE_KEY : first.access}` },
        ...(isIntrospection && { json: { token: first.access } }),
      })
      await expectUnavailable(response, 'json')
      rig.d1.heal()
      expect(await sessionsOf(account)).toEqual([live(first, null)])
    },
  )
})

describe('a mail', () => {
  type ApiAnswer = 'ok' | '429' | '500' | 'time-out' | 'accepted, time-out' | 'half' | 'accepted, broken'
  /** One thing that happens to the outbox. */
  type Step =
    | { readonly do: 'deliver'; readonly which: number; readonly twice: boolean; readonly d1: (Fault | null)[] }
    | { readonly do: 'deliver at once'; readonly d1: (Fault | null)[] }
    | { readonly do: 'wait'; readonly seconds: number }
    | { readonly do: 'sweep'; readonly d1: (Fault | null)[]; readonly send: SendFault }

  const maybeFault = fc.option(fc.constantFrom(...FAULTS), { freq: 2 })
  const d1Faults = fc.array(maybeFault, { maxLength: 3 })
  const sendFault = fc.constantFrom<SendFault>('throws', 'lost', 'doubled', null)
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record<Step & { do: 'deliver' }>({
        do: fc.constant('deliver'),
        which: fc.nat({ max: 3 }),
        twice: fc.boolean(),
        d1: d1Faults,
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record<Step & { do: 'deliver at once' }>({ do: fc.constant('deliver at once'), d1: d1Faults }),
    },
    {
      weight: 2,
      arbitrary: fc.record<Step & { do: 'wait' }>({
        do: fc.constant('wait'),
        seconds: fc.constantFrom(1, 29, 30, 31, 300, 901),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record<Step & { do: 'sweep' }>({ do: fc.constant('sweep'), d1: d1Faults, send: sendFault }),
    },
  )
  const trouble = fc.constantFrom<ApiAnswer>(
    'ok',
    '429',
    '500',
    'time-out',
    'accepted, time-out',
    'half',
    'accepted, broken',
  )

  test(
    'is neither lost nor doubled, whatever D1, the queue and the mail API do',
    async () => {
      await fc.assert(
        fc.asyncProperty(
          sendFault,
          fc.array(trouble, { maxLength: 5 }),
          fc.array(step, { maxLength: 8 }),
          async (atFirst, answers, steps) => {
            const rig = mailing
            const api = plannedMailApi(answers)
            const { account, first } = await signedIn(rig)
            rig.messages.fail(atFirst)
            await expectRefused(await refresh(rig, first, 'GET', ELSEWHERE), 'location_blocked', 'GET')
            rig.messages.fail(null)
            for (const one of steps) await take(rig, one)
            await settleMails(rig)

            const [row, ...others] = await mailsOf(account)
            expect(others).toEqual([])
            expect(row).toMatchObject({ failed_at: null, last_error: null, recipient: account.email })
            expect(row?.['sent_at']).not.toBeNull()
            // The API keeps to its idempotency key: one key, one mail, always the same one.
            expect(new Set(api.calls.map(({ headers }) => headers['idempotency-key']))).toEqual(new Set([row?.['id']]))
            expect(new Set(api.calls.map(({ body }) => JSON.stringify(body))).size).toBe(1)
            // And it is asked again only when we could not know, or could not note, that it had accepted.
            expect(api.accepted()).toBeLessThanOrEqual(1 + api.unknown() + unnoted(steps))
            await clearTables()
            rig.messages.messages.length = 0
            vi.mocked(fetch).mockRestore()
          },
        ),
        { numRuns: 40 },
      )
    },
    TIMEOUT_MILLISECONDS,
  )

  test.each(['400', '401', '422'])(
    'that the mail API refuses with %s is parked, with its error, and not tried again',
    async (status) => {
      const rig = mailing
      const calls = answerMailApi(async () => new Response('no', { status: Number(status) }))
      const { account, first } = await signedIn(rig)
      await refresh(rig, first, 'GET', ELSEWHERE)
      rig.messages.fail('doubled')
      await settleMails(rig)
      expect(calls).toHaveLength(1)
      expect(await mailsOf(account)).toMatchObject([
        { sent_at: null, failed_at: START, last_error: `MailError: HTTP ${status}: no` },
      ])
    },
  )

  /** The mail API: it answers as planned, then well. */
  function plannedMailApi(plan: readonly ApiAnswer[]) {
    let accepted = 0
    let unknown = 0
    let answered = 0
    let giveUp: (() => void) | undefined
    // The transport's patience ends when the plan says so, however slow this machine is.
    vi.spyOn(AbortSignal, 'timeout').mockImplementation(() => {
      const patience = new AbortController()
      giveUp = () => patience.abort(new DOMException('The operation timed out', 'TimeoutError'))
      return patience.signal
    })
    const answer = async (): Promise<Response> => {
      const next = plan[answered++] ?? 'ok'
      if (!['429', '500', 'time-out'].includes(next)) accepted += 1
      if (next.startsWith('accepted')) unknown += 1
      switch (next) {
        case 'ok':
          return Response.json({ id: 'accepted' })
        case 'half':
          return new Response(new ReadableStream({ start: (body) => body.enqueue(new TextEncoder().encode('{"id":')) }))
        case '429':
          return new Response(null, { status: 429, headers: { 'Retry-After': '7' } })
        case '500':
          return new Response(null, { status: 500 })
        case 'accepted, broken':
          throw new TypeError('Network connection lost.')
        case 'time-out':
        case 'accepted, time-out':
          giveUp?.()
          return new Promise<never>(() => {})
      }
    }
    const calls = answerMailApi(answer)
    return { calls, accepted: () => accepted, unknown: () => unknown }
  }

  async function take({ d1, messages, scheduled }: Rig, one: Step): Promise<void> {
    switch (one.do) {
      case 'wait':
        passSeconds(one.seconds)
        return
      case 'deliver': {
        const message = messages.messages[one.which]
        if (message === undefined) return
        d1.fail(...one.d1)
        await messages.deliver(message, one.twice)
        break
      }
      case 'deliver at once':
        d1.fail(...one.d1)
        await Promise.all(messages.messages.map((message) => messages.deliver(message, false)))
        break
      case 'sweep':
        d1.fail(...one.d1)
        messages.fail(one.send)
        // A round of the cron may fail as a whole; there is another one.
        await scheduled().catch(() => {})
        messages.fail(null)
    }
    d1.heal()
  }

  /** Failures that a delivery may have met after the API's answer: each can cost one more try. */
  function unnoted(steps: readonly Step[]): number {
    return steps.filter((one) => 'd1' in one && one.do !== 'sweep' && one.d1.slice(1).some((fault) => fault !== null))
      .length
  }
})

/** Nothing fails any more, and time passes: until every mail is settled. */
async function settleMails({ messages, scheduled }: Rig): Promise<void> {
  for (let round = 0; round < 20; round++) {
    for (const message of messages.messages.slice()) await messages.deliver(message, false)
    const left = await env.DB.prepare('SELECT id FROM notifications WHERE sent_at IS NULL AND failed_at IS NULL').all()
    if (left.results.length === 0 && messages.messages.length === 0) return
    passSeconds(901)
    await scheduled()
  }
  throw new Error('a mail was never settled')
}

/** A mail API that takes everything. */
function mailApi(): readonly ApiCall[] {
  return answerMailApi(async () => Response.json({ id: 'accepted' }))
}

async function signedIn(rig: Rig): Promise<{ account: TestAccount; first: Tokens }> {
  rig.d1.heal()
  const account = await createAccount(env.DB)
  return { account, first: await tokensOf(await rig.call(`/${account.guid}`), 'GET') }
}

function refresh(rig: Rig, { access, refresh: token }: Tokens, via: Via, ip = HOME): Promise<Response> {
  if (via === 'json') return rig.call('/auth/token/refresh', { method: 'POST', json: { refresh: token }, ip })
  return rig.call('/refresh', { method: via, cookies: { access_token: access, refresh_token: token }, ip })
}

async function tokensOf(response: Response, via: Via): Promise<Tokens> {
  if (via === 'json') {
    const { access, refresh: token } = (await response.json()) as Tokens
    return { access, refresh: token }
  }
  const { access_token, refresh_token } = pairOf(response)
  return { access: access_token, refresh: refresh_token }
}

const PROBLEMS = {
  token_used: 'Token used before',
  location_blocked: "You're location is blocked",
} as const

async function expectRefused(response: Response, code: keyof typeof PROBLEMS, via: Via): Promise<void> {
  const detail = PROBLEMS[code]
  const body = { type: 'about:blank', title: 'Unauthorized', status: 401, detail, code }
  expect([response.status, await response.text()]).toEqual([401, via === 'GET' ? detail : JSON.stringify(body)])
}

async function expectUnavailable(response: Response, via: Via): Promise<void> {
  const detail = 'Service unavailable'
  const body = { type: 'about:blank', title: 'Service Unavailable', status: 503, detail, code: 'unavailable' }
  expect({
    status: response.status,
    body: await response.text(),
    retryAfter: response.headers.get('Retry-After'),
    cacheControl: response.headers.get('Cache-Control'),
    cookies: response.headers.getSetCookie(),
  }).toEqual({
    status: 503,
    body: via === 'GET' ? detail : JSON.stringify(body),
    retryAfter: '1',
    cacheControl: 'no-store',
    cookies: [],
  })
}

/** A session's row, as far as these tests go. */
function live(pair: Tokens | undefined, previous: Tokens | null) {
  const { sid, jti } = decodeToken(pair?.refresh ?? '').payload
  const previousJti = previous === null ? null : decodeToken(previous.refresh).payload['jti']
  return { sid, jti, previous_jti: previousJti, revoked_reason: null, revoked_at: null }
}

function ended(pair: Tokens, previous: Tokens | null, reason: string, secondsLater = 0) {
  return { ...live(pair, previous), revoked_reason: reason, revoked_at: START + secondsLater }
}

async function sessionsOf({ guid }: Pick<TestAccount, 'guid'>): Promise<readonly ReturnType<typeof live>[]> {
  const { results } = await env.DB.prepare(
    `SELECT sid, jti, previous_jti,
       coalesce(revoked_reason, iif(sid IS NOT ended_except AND s.created_at <= ended_before, 'with its account', NULL)) AS revoked_reason,
       coalesce(revoked_at, iif(sid IS NOT ended_except AND s.created_at <= ended_before, ended_before, NULL)) AS revoked_at
     FROM sessions s JOIN users u ON u.id = user_id WHERE u.guid = ? ORDER BY sid`,
  )
    .bind(guid)
    .all()
  return results as unknown as readonly ReturnType<typeof live>[]
}

async function mailsOf({ id }: TestAccount): Promise<readonly Record<string, unknown>[]> {
  return (await env.DB.prepare('SELECT * FROM notifications WHERE user_id = ?').bind(id).all()).results
}

async function placesOf({ id }: TestAccount): Promise<readonly unknown[]> {
  const { results } = await env.DB.prepare('SELECT place FROM allowed_places WHERE user_id = ? ORDER BY place')
    .bind(id)
    .all()
  return results.map(({ place }) => place)
}

async function hashOf({ id }: TestAccount): Promise<string | null> {
  return env.DB.prepare('SELECT password_hash FROM users WHERE id = ?').bind(id).first('password_hash')
}

async function clearTables(): Promise<void> {
  const tables = ['notifications', 'sessions', 'allowed_places', 'users']
  await env.DB.batch(tables.map((table) => env.DB.prepare(`DELETE FROM ${table}`)))
}

function bearer({ access }: Tokens): Record<string, string> {
  return { Authorization: `Bearer ${access}` }
}

function sidOf({ refresh: token }: Tokens): string {
  return String(decodeToken(token).payload['sid'])
}

function titleOf(page: string): string | undefined {
  return /<h1>(.*)<\/h1>/.exec(page)?.[1]
}

function setClock(seconds: number): void {
  vi.setSystemTime(seconds * 1000)
}

function passSeconds(seconds: number): void {
  vi.setSystemTime(Date.now() + seconds * 1000)
}

function range(length: number): readonly number[] {
  return Array.from({ length }, (_, i) => i)
}

function viaOf(i: number): Via {
  return VIAS[i % VIAS.length] ?? 'json'
}

function bySid(a: { readonly sid: unknown }, b: { readonly sid: unknown }): number {
  return String(a.sid) < String(b.sid) ? -1 : 1
}
