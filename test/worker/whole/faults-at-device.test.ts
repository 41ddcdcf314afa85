/**
 * Sessions that browsers bind, while D1 or the queue fails, and while many ask at once. Chromium forgets a bound session at 401 and asks again
 * at 503, so that trouble on our side is never a 401; and whatever failed, no session is lost or forked, and nobody is told of a theft.
 */

import { env } from 'cloudflare:workers'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { createAccount, dumpTables, type TestAccount } from '../../support/accounts.ts'
import { passSeconds } from '../../support/clock.ts'
import { acceptOffer, challengeOf, type Jar, jarAfter, refreshByDevice, signChallenge } from '../../support/dbsc.ts'
import { createProvingClient, type ProvingClient } from '../../support/dpop.ts'
import { FAULTS, type SendFault } from '../../support/faulty-bindings.ts'
import {
  createRig,
  expectUnavailable,
  live,
  mailApi,
  mailsOf,
  range,
  type Rig,
  sessionsOf,
  settleMails,
  startWell,
  TIMEOUT_MILLISECONDS,
} from '../../support/faulty-worker.ts'
import { ELSEWHERE, pairOf, setCookies } from '../../support/worker.ts'

const OFFER = { DEVICE_BINDING: 'offer' } as const
const MAILS = { MAIL_TRANSPORT: 'api', MAIL_API_URL: 'https://mail.example.net/emails' } as const
const rig = createRig({ ...OFFER, ...MAILS })
/** Another isolate of the same deployment. */
const elsewhere = createRig({ ...OFFER, ...MAILS })

startWell([rig, elsewhere])

/** All ways in which one or two tries of three can fail. */
const PASSING_TROUBLE = [...FAULTS.map((fault) => [fault]), ...FAULTS.flatMap((a) => FAULTS.map((b) => [a, b]))]

/** All ways in which three can. */
const OUTAGE = FAULTS.flatMap((a) => FAULTS.flatMap((b) => FAULTS.map((c) => [a, b, c])))

const toRows = (troubles: readonly (readonly (typeof FAULTS)[number][])[]) =>
  troubles.map((faults) => ({ trouble: faults.join(', '), faults }))

interface SignedIn {
  readonly account: TestAccount
  readonly response: Response
  readonly jar: ReturnType<typeof pairOf>
}

async function signIn(): Promise<SignedIn> {
  const account = await createAccount(env.DB)
  const response = await rig.call(`/${account.guid}`)
  return { account, response, jar: pairOf(response) }
}

interface Bound extends SignedIn {
  readonly client: ProvingClient
}

async function openBound(): Promise<Bound> {
  const client = await createProvingClient()
  const opened = await signIn()
  expect((await acceptOffer(rig, client, opened.response, opened.jar)).status).toBe(200)
  return { client, ...opened }
}

/** A proof by both halves: a challenge is asked for, and signed. */
async function makeProof(client: ProvingClient, jar: Jar, by = rig): Promise<string> {
  return signChallenge(client, challengeOf(await refreshByDevice(by, jar)).challenge)
}

/** What Chromium does at a 403: it signs the challenge that came with it. */
async function goOn(client: ProvingClient, jar: Jar, answer: Response, by: Rig): Promise<Response> {
  if (answer.status !== 403) return answer
  return refreshByDevice(by, jar, { proof: await signChallenge(client, challengeOf(answer).challenge) })
}

/** The keys that the sessions of an account are bound to. */
async function keysOf({ id }: TestAccount): Promise<readonly unknown[]> {
  const select = env.DB.prepare('SELECT bound_by, bound_key FROM sessions WHERE user_id = ?').bind(id)
  return (await select.all()).results
}

function boundTo({ jwk }: ProvingClient) {
  return { bound_by: 'dbsc', bound_key: `${jwk.x}.${jwk.y}` }
}

const UNBOUND = { bound_by: null, bound_key: null }

function ascending(a: number, b: number): number {
  return a - b
}

function tokensIn({ access_token: access, refresh_token: refresh }: ReturnType<typeof pairOf>) {
  return { access, refresh }
}

/** Nothing was lost, forked or told, and its browser goes on with the live pair. */
async function expectOneSession({ account, client, jar }: Bound, next: Response): Promise<void> {
  const pair = pairOf(next)
  expect(await sessionsOf(account)).toEqual([live(tokensIn(pair), tokensIn(jar))])
  expect(await mailsOf(account)).toEqual([])
  const proof = await signChallenge(client, challengeOf(next).challenge)
  expect((await refreshByDevice(rig, pair, { proof })).status).toBe(200)
}

describe('a registration that D1 fails once or twice', () => {
  test.each(toRows(PASSING_TROUBLE))('binds its session once, when it fails $trouble', async ({ faults }) => {
    const client = await createProvingClient()
    const { account, response, jar } = await signIn()
    rig.d1.fail(...faults)
    const registered = await acceptOffer(rig, client, response, jar)
    expect([registered.status, rig.d1.roundTrips()]).toEqual([200, faults.length + 1])
    expect(setCookies(registered)['access_token']?.value).toBe(jar.access_token)
    expect(await keysOf(account)).toEqual([boundTo(client)])
    const next = await refreshByDevice(rig, jar, { proof: await makeProof(client, jar) })
    await expectOneSession({ account, response, jar, client }, next)
  })
})

describe('a registration during an outage of D1', () => {
  test.each(toRows(OUTAGE))('is 503, and 200 when it comes again, when it fails $trouble', async ({ faults }) => {
    const client = await createProvingClient()
    const { account, response, jar } = await signIn()
    rig.d1.fail(...faults)
    await expectUnavailable(await acceptOffer(rig, client, response, jar), 'POST')
    expect(rig.d1.roundTrips()).toBe(3)
    expect(await keysOf(account)).toEqual([faults.includes('after') ? boundTo(client) : UNBOUND])

    rig.d1.heal()
    expect((await acceptOffer(rig, client, response, jar)).status).toBe(200)
    expect(await keysOf(account)).toEqual([boundTo(client)])
    expect(await sessionsOf(account)).toEqual([live(tokensIn(jar), null)])
    const next = await refreshByDevice(rig, jar, { proof: await makeProof(client, jar) })
    await expectOneSession({ account, response, jar, client }, next)
  })

  test('that is overloaded is 503 after one round trip', async () => {
    const client = await createProvingClient()
    const { account, response, jar } = await signIn()
    rig.d1.failForGood('overloaded')
    await expectUnavailable(await acceptOffer(rig, client, response, jar), 'POST')
    expect([rig.d1.roundTrips(), await keysOf(account)]).toEqual([1, [UNBOUND]])
  })
})

describe('a refresh by proof that D1 fails once or twice', () => {
  test.each(toRows(PASSING_TROUBLE))('gives the next pair, when it fails $trouble', async ({ faults }) => {
    const bound = await openBound()
    const proof = await makeProof(bound.client, bound.jar)
    rig.d1.fail(...faults)
    const next = await refreshByDevice(rig, bound.jar, { proof })
    expect([next.status, rig.d1.roundTrips()]).toEqual([200, faults.length + 1])
    await expectOneSession(bound, next)
  })
})

describe('a refresh by proof during an outage of D1', () => {
  test.each(toRows(OUTAGE))('is 503, and the same proof is good afterwards, when it fails $trouble', async (row) => {
    const bound = await openBound()
    const proof = await makeProof(bound.client, bound.jar)
    rig.d1.fail(...row.faults)
    await expectUnavailable(await refreshByDevice(rig, bound.jar, { proof }), 'POST')
    expect(rig.d1.roundTrips()).toBe(3)

    rig.d1.heal()
    const next = await refreshByDevice(rig, bound.jar, { proof })
    expect(next.status).toBe(200)
    await expectOneSession(bound, next)
  })

  test.each(toRows(OUTAGE))('is healed in another isolate, too, when it fails $trouble', async ({ faults }) => {
    const bound = await openBound()
    const proof = await makeProof(bound.client, bound.jar)
    rig.d1.fail(...faults)
    await expectUnavailable(await refreshByDevice(rig, bound.jar, { proof }), 'POST')

    // Where it was committed, the proof counts as used, and the answer has another challenge.
    const again = await refreshByDevice(elsewhere, bound.jar, { proof })
    expect(again.status).toBe(faults.includes('after') ? 403 : 200)
    const next = await goOn(bound.client, bound.jar, again, elsewhere)
    expect(next.status).toBe(200)
    await expectOneSession(bound, next)
  })

  test.each(FAULTS)('is healed long after, when it fails %s', async (fault) => {
    const bound = await openBound()
    const proof = await makeProof(bound.client, bound.jar)
    rig.d1.failForGood(fault)
    await expectUnavailable(await refreshByDevice(rig, bound.jar, { proof }), 'POST')
    rig.d1.heal()
    passSeconds(86_400)
    // The challenge is over.
    const again = await refreshByDevice(rig, bound.jar, { proof })
    expect(again.status).toBe(403)
    const next = await goOn(bound.client, bound.jar, again, rig)
    expect(next.status).toBe(200)
    await expectOneSession(bound, next)
  })

  test('that is overloaded is 503 after one round trip, and the same proof is good afterwards', async () => {
    const bound = await openBound()
    const proof = await makeProof(bound.client, bound.jar)
    rig.d1.failForGood('overloaded')
    await expectUnavailable(await refreshByDevice(rig, bound.jar, { proof }), 'POST')
    expect(rig.d1.roundTrips()).toBe(1)
    rig.d1.heal()
    await expectOneSession(bound, await refreshByDevice(rig, bound.jar, { proof }))
  })

  const outage = fc.record({
    tries: fc.array(fc.constantFrom(...FAULTS), { minLength: 1, maxLength: 3 }),
    pause: fc.constantFrom(0, 1, 10, 11, 61),
    callers: fc.integer({ min: 1, max: 5 }),
    isSameProof: fc.boolean(),
  })
  test(
    'of N tabs leaves all of them with one pair, and tells nobody of a theft',
    async () => {
      await fc.assert(
        fc.asyncProperty(outage, async ({ tries, pause, callers, isSameProof }) => {
          const bound = await openBound()
          const { client, jar, account } = bound
          const shared = await makeProof(client, jar)
          const proofs = await Promise.all(
            range(callers).map(async () => (isSameProof ? shared : makeProof(client, jar))),
          )
          const all = () => Promise.all(proofs.map((proof) => refreshByDevice(rig, jar, { proof })))
          for (const fault of tries) {
            rig.d1.failForGood(fault)
            expect((await all()).map(({ status }) => status)).toEqual(range(callers).map(() => 503))
            passSeconds(pause)
          }
          rig.d1.heal()
          const answers: Response[] = []
          for (const answer of await all()) answers.push(await goOn(client, jar, answer, rig))
          expect(answers.map(({ status }) => status)).toEqual(range(callers).map(() => 200))
          const [pair, ...others] = [...new Set(answers.map((answer) => pairOf(answer).refresh_token))]
          expect(others).toEqual([])
          expect(await sessionsOf(account)).toEqual([live({ access: '', refresh: pair ?? '' }, tokensIn(jar))])
          expect(await mailsOf(account)).toEqual([])
        }),
        { numRuns: 20 },
      )
    },
    TIMEOUT_MILLISECONDS,
  )
})

describe('a D1 that does not answer', () => {
  test.each(['silent', 'mute'] as const)('is asked again by a registration and by a refresh: %s', async (fault) => {
    const client = await createProvingClient()
    const { account, response, jar } = await signIn()
    rig.d1.fail(fault)
    expect((await acceptOffer(rig, client, response, jar)).status).toBe(200)
    expect([rig.d1.roundTrips(), await keysOf(account)]).toEqual([2, [boundTo(client)]])

    const proof = await makeProof(client, jar)
    rig.d1.fail(fault)
    const next = await refreshByDevice(rig, jar, { proof })
    expect([next.status, rig.d1.roundTrips()]).toEqual([200, 2])
    await expectOneSession({ account, response, jar, client }, next)
  })

  test(
    'at any try is a 503, and the same proof is good afterwards',
    async () => {
      const bound = await openBound()
      const proof = await makeProof(bound.client, bound.jar)
      rig.d1.failForGood('mute')
      await expectUnavailable(await refreshByDevice(rig, bound.jar, { proof }), 'POST')
      rig.d1.heal()
      await expectOneSession(bound, await refreshByDevice(rig, bound.jar, { proof }))
    },
    TIMEOUT_MILLISECONDS,
  )
})

describe('who asks for a challenge while D1 fails', () => {
  const rows = FAULTS.flatMap((fault) => [true, false].map((isBound) => ({ fault, isBound })))

  test.each(rows)('is told 503, when it fails $fault (bound: $isBound)', async ({ fault, isBound }) => {
    const { jar } = isBound ? await openBound() : await signIn()
    const { refresh_token } = jar
    const before = await dumpTables(env.DB)
    const asks = [
      { via: 'POST', ask: () => refreshByDevice(rig, jar) },
      { via: 'POST', ask: () => refreshByDevice(rig, jar, { proof: 'proof' }) },
      // What a page asks whose browser has not kept the access cookie.
      { via: 'POST', ask: () => rig.call('/refresh', { method: 'POST', cookies: { refresh_token } }) },
      { via: 'GET', ask: () => rig.call('/refresh', { cookies: { refresh_token } }) },
    ] as const
    for (const { via, ask } of asks) {
      rig.d1.fail(fault)
      await expectUnavailable(await ask(), via)
      expect(rig.d1.roundTrips()).toBe(1)
      rig.d1.heal()
      expect((await ask()).status).toBe(isBound ? 403 : 401)
    }
    expect(await dumpTables(env.DB)).toEqual(before)
  })

  test.each(FAULTS)('with both cookies is told 503, when it fails %s, and then what is true', async (fault) => {
    const { jar, account } = await openBound()
    for (const [seconds, status] of [
      [0, 200],
      [300, 403],
    ] as const) {
      passSeconds(seconds)
      for (const via of ['GET', 'POST'] as const) {
        rig.d1.failForGood(fault)
        await expectUnavailable(await rig.call('/refresh', { method: via, cookies: jar }), via)
        rig.d1.heal()
        const answer = await rig.call('/refresh', { method: via, cookies: jar })
        expect([answer.status, answer.headers.getSetCookie()]).toEqual([status, []])
      }
    }
    expect(await sessionsOf(account)).toEqual([live(tokensIn(jar), null)])
  })
})

describe('the mail about another key', () => {
  const FAILING = ['throws', 'silent', 'lost', 'doubled'] as const satisfies readonly SendFault[]

  test.each(FAILING)('is found by the sweep, and sent once, where the queue is such: %s', async (fault) => {
    const calls = mailApi()
    const { account, client, jar } = await openBound()
    const thief = await createProvingClient()
    rig.messages.fail(fault)
    const refused = await refreshByDevice(rig, jar, { proof: await makeProof(thief, jar), ip: ELSEWHERE })
    expect([refused.status, refused.headers.getSetCookie()]).toEqual([403, []])
    rig.messages.fail(null)
    await settleMails(rig)
    const mails = await mailsOf(account)
    expect(mails).toMatchObject([{ kind: 'other_key', failed_at: null }])
    expect(calls.map(({ headers }) => headers['idempotency-key'])).toEqual(mails.map(({ id }) => id))
    expect((await refreshByDevice(rig, jar, { proof: await makeProof(client, jar) })).status).toBe(200)
  })

  test.each(FAULTS)('is stored once, when D1 fails %s it', async (fault) => {
    const calls = mailApi()
    const { account, jar } = await openBound()
    const thief = await createProvingClient()
    const attack = async () => refreshByDevice(rig, jar, { proof: await makeProof(thief, jar), ip: ELSEWHERE })
    const proof = await makeProof(thief, jar)
    // The rotation answers, then the mail fails.
    rig.d1.fail(null, fault)
    await expectUnavailable(await refreshByDevice(rig, jar, { proof, ip: ELSEWHERE }), 'POST')
    rig.d1.heal()
    for (const again of [await attack(), await attack()]) expect(again.status).toBe(403)
    await settleMails(rig)
    expect(await mailsOf(account)).toMatchObject([{ kind: 'other_key', failed_at: null }])
    expect(calls).toHaveLength(1)
    expect(await sessionsOf(account)).toEqual([live(tokensIn(jar), null)])
  })
})

describe('eight refreshes at once', () => {
  test('with one proof rotate once: one has the pair, the others are asked for a new proof, and get it', async () => {
    const bound = await openBound()
    const { client, jar } = bound
    const proof = await makeProof(client, jar)
    const answers = await Promise.all(
      range(8).map(async (i) => {
        const by = i % 2 === 0 ? rig : elsewhere
        return { by, answer: await refreshByDevice(by, jar, { proof }) }
      }),
    )
    expect(answers.map(({ answer }) => answer.status).toSorted(ascending)).toEqual([200, ...range(7).map(() => 403)])
    for (const { answer } of answers.filter((one) => one.answer.status === 403))
      expect(answer.headers.getSetCookie()).toEqual([])

    const healed = await Promise.all(answers.map(({ by, answer }) => goOn(client, jar, answer, by)))
    expect(new Set(healed.map((answer) => pairOf(answer).refresh_token)).size).toBe(1)
    await expectOneSession(bound, healed[0] ?? new Response())
  })

  test('of one jar go on with what it has by then, however their answers come', async () => {
    const bound = await openBound()
    const { client, jar } = bound
    const proof = await makeProof(client, jar)
    const answers = await Promise.all(range(8).map(() => refreshByDevice(rig, jar, { proof })))
    const after = answers.reduce<Jar>(jarAfter, jar)
    // Their challenges are for the token that the jar had, so that each is asked once more.
    for (const answer of answers.filter(({ status }) => status === 403)) {
      const again = await goOn(client, after, answer, rig)
      expect([again.status, again.headers.getSetCookie()]).toEqual([403, []])
    }
    const next = await refreshByDevice(rig, after, { proof: await makeProof(client, after) })
    await expectOneSession({ ...bound, jar: { ...jar, ...after } }, next)
  })

  test('with a proof each all get one pair', async () => {
    const bound = await openBound()
    const { client, jar } = bound
    const proofs = await Promise.all(range(8).map(() => makeProof(client, jar)))
    const answers = await Promise.all(
      proofs.map((proof, i) => refreshByDevice(i % 2 === 0 ? rig : elsewhere, jar, { proof })),
    )
    expect(answers.map(({ status }) => status)).toEqual(range(8).map(() => 200))
    expect(new Set(answers.map((answer) => pairOf(answer).refresh_token)).size).toBe(1)
    await expectOneSession(bound, answers[0] ?? new Response())
  })
})

describe('two registrations at once, with two keys', () => {
  test('bind the session to one of them', async () => {
    const clients = await Promise.all(range(2).map(createProvingClient))
    const { account, response, jar } = await signIn()
    const answers = await Promise.all(
      clients.map((client, i) => acceptOffer(i === 0 ? rig : elsewhere, client, response, jar)),
    )
    expect(answers.map(({ status }) => status).toSorted(ascending)).toEqual([200, 401])
    const bound = clients.filter((_, i) => answers[i]?.status === 200)
    expect(await keysOf(account)).toEqual(bound.map(boundTo))
  })

  test('leave nobody with a binding that is not there, while D1 fails', async () => {
    const faults = fc.array(fc.constantFrom(null, ...FAULTS), { maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(faults, async (planned) => {
        const clients = await Promise.all(range(2).map(createProvingClient))
        const { account, response, jar } = await signIn()
        rig.d1.fail(...planned)
        const answers = await Promise.all(clients.map((client) => acceptOffer(rig, client, response, jar)))
        rig.d1.heal()
        const again: number[] = []
        for (const client of clients) again.push((await acceptOffer(rig, client, response, jar)).status)
        // Whoever comes again was bound, or is now; of two keys one is.
        expect(again.toSorted(ascending)).toEqual([200, 401])
        expect(await keysOf(account)).toEqual(clients.filter((_, i) => again[i] === 200).map(boundTo))
        for (const [i, { status }] of answers.entries()) expect([again[i], 503]).toContain(status)
      }),
      { numRuns: 20 },
    )
  })
})

describe('a registration while a page of its browser refreshes', () => {
  test.each(['first', 'last'] as const)('leaves it two cookies of one pair: its answer comes %s', async (order) => {
    const client = await createProvingClient()
    const { account, response, jar } = await signIn()
    // The browser makes its key meanwhile, and sends the cookie that it had before.
    const refreshed = await rig.call('/refresh', { method: 'POST', cookies: jar })
    const registered = await acceptOffer(rig, client, response, jar)
    const answers = order === 'first' ? [registered, refreshed] : [refreshed, registered]
    const { access_token = '', refresh_token } = answers.reduce<Jar>(jarAfter, jar)
    passSeconds(300)
    const next = await rig.call('/refresh', { method: 'POST', cookies: { access_token, refresh_token } })
    expect([registered.status, next.status]).toEqual([401, 200])
    expect([await keysOf(account), (await sessionsOf(account)).map((row) => row.revoked_at)]).toEqual([
      [UNBOUND],
      [null],
    ])
  })

  test('that was faster answers the page with nothing new', async () => {
    const client = await createProvingClient()
    const { account, response, jar } = await signIn()
    expect((await acceptOffer(rig, client, response, jar)).status).toBe(200)
    const refreshed = await rig.call('/refresh', { method: 'POST', cookies: jar })
    expect([refreshed.status, refreshed.headers.getSetCookie()]).toEqual([200, []])
    expect([await keysOf(account), await sessionsOf(account)]).toEqual([[boundTo(client)], [live(tokensIn(jar), null)]])
  })

  test('binds at the pair that its browser has by then', async () => {
    const client = await createProvingClient()
    const { account, response, jar } = await signIn()
    const next = pairOf(await rig.call('/refresh', { method: 'POST', cookies: jar }))
    expect((await acceptOffer(rig, client, response, next)).status).toBe(200)
    expect(await keysOf(account)).toEqual([boundTo(client)])
  })
})
