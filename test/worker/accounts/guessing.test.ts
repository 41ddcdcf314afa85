/**
 * Guessing a password: how many tries are free, what waits and for how long, whom a stranger cannot keep out, and that no answer and no
 * row tells whether an address has an account.
 */

import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test, vi } from 'vitest'

import { dumpTables, emptyTables, HASHES, insertSeenPlace, PASSWORD } from '../../support/accounts.ts'
import { answer, describeAccount, granted, NO_ACCOUNT } from '../../support/answers.ts'
import { cheapPasswords, createCheapAccount, startCheapWorker } from '../../support/cheap-passwords.ts'
import { at, DAY_SECONDS, stopClock, T0 } from '../../support/clock.ts'
import { countRoundTrips } from '../../support/counting-database.ts'
import { keepLog } from '../../support/log.ts'
import { type CallOptions, ELSEWHERE, HOME, pairOf, type TestWorker } from '../../support/worker.ts'

const worker = startCheapWorker()

stopClock()
const logged = keepLog('warn')
beforeEach(() => emptyTables(env.DB))

/** Another place than `HOME` and `ELSEWHERE`, as all are whose networks are not known. */
const FAR = '192.0.2.9'

function signIn(email: string | null, password = PASSWORD, options: CallOptions = {}, by: TestWorker = worker) {
  return by.call('/auth/token', { ...options, method: 'POST', json: { primary_email: email, password } })
}

/** Fails so many times, one after the other. */
async function fail(email: string | null, times: number, options: CallOptions = {}): Promise<void> {
  for (let i = 0; i < times; i += 1) expect((await signIn(email, 'wrong', options)).status).toBe(401)
}

function causes(): readonly unknown[] {
  return logged.mock.calls.map(([event]) => (event as { cause?: unknown }).cause)
}

/** What is counted, without its subject. */
async function counted(): Promise<readonly Record<string, unknown>[]> {
  const { attempts = [] } = await dumpTables(env.DB)
  return attempts
    .map(({ subject: _subject, ...row }) => row)
    .toSorted((a, b) => (String(a['topic']) < String(b['topic']) ? -1 : 1))
}

async function mails(): Promise<readonly Record<string, unknown>[]> {
  return (await dumpTables(env.DB))['notifications'] ?? []
}

/** An account that was signed in from `HOME` a second ago. */
async function atHome() {
  const account = await createCheapAccount()
  await insertSeenPlace(env.DB, account, '-/203.0.113.0/24', T0 - 1)
  return account
}

describe('failures in a row', () => {
  test('are free up to ten; then even the right password waits a minute, and after it counts again', async () => {
    const account = await createCheapAccount()
    await fail(account.email, 9)
    expect(await counted()).toEqual([{ topic: 'sign_in', count: 9, since: T0, at: T0, waits_until: 0 }])
    at(5)
    await fail(account.email, 1)
    expect(await counted()).toEqual([{ topic: 'sign_in', count: 10, since: T0, at: T0 + 5, waits_until: T0 + 65 }])

    at(64)
    logged.mockClear()
    expect(await answer(await signIn(account.email))).toEqual(NO_ACCOUNT)
    await fail(account.email, 1)
    expect(causes()).toEqual(['waiting', 'waiting'])
    // A try that waits is not counted, and prolongs nothing.
    expect(await counted()).toEqual([{ topic: 'sign_in', count: 10, since: T0, at: T0 + 64, waits_until: T0 + 65 }])
    at(65)
    await granted(await signIn(account.email), describeAccount(account))
    expect(await counted()).toEqual([])
  })

  test('make each wait twice as long, up to a day', async () => {
    const { email } = await createCheapAccount()
    await fail(email, 10)
    const waits: number[] = []
    for (let now = 0, i = 0; i < 13; i += 1) {
      const until = Number((await counted())[0]?.['waits_until']) - T0
      waits.push(until - now)
      now = until
      at(now)
      await fail(email, 1)
    }
    const doubled = Array.from({ length: 11 }, (_, i) => 60 * 2 ** i)
    expect(waits).toEqual([...doubled, DAY_SECONDS, DAY_SECONDS])
    // The last wait was a day itself, and a day from its end on the row goes on: a good sign-in ends it.
    at(Number((await counted())[0]?.['waits_until']) - T0 + DAY_SECONDS - 1)
    expect((await signIn(email)).status).toBe(200)
    expect(await counted()).toEqual([])
  })

  test('are forgotten after a day without a try and without a wait', async () => {
    const { email } = await createCheapAccount()
    await fail(email, 9)
    at(DAY_SECONDS - 1)
    await fail(email, 1)
    expect((await counted())[0]).toMatchObject({ count: 10 })
    at(2 * DAY_SECONDS - 1 + 59)
    await fail(email, 1)
    expect((await counted())[0]).toMatchObject({ count: 11 })
    at(3 * DAY_SECONDS + 178)
    await fail(email, 1)
    const now = T0 + 3 * DAY_SECONDS + 178
    expect(await counted()).toMatchObject([{ topic: 'sign_in', count: 1, since: now, at: now }])
    await fail(email, 8)
    expect((await signIn(email)).status).toBe(200)
  })

  test('end with a good sign-in', async () => {
    const { email } = await createCheapAccount()
    for (let round = 0; round < 3; round += 1) {
      await fail(email, 9)
      expect((await signIn(email)).status).toBe(200)
    }
    expect(await counted()).toEqual([])
  })

  test.each([
    ['inactive', { isActive: false }],
    ['unconfirmed', { confirmedAt: null }],
    ['without a password', { passwordHash: null }],
  ])('are those of an account that is %s, too, whose right password fails', async (name, options) => {
    const { email } = await createCheapAccount(options)
    for (let i = 0; i < 11; i += 1) expect(await answer(await signIn(email))).toEqual(NO_ACCOUNT)
    expect(await counted()).toEqual([{ topic: 'sign_in', count: 10, since: T0, at: T0, waits_until: T0 + 60 }])
    // Nobody is told whose sign-in would fail anyway.
    if (name !== 'without a password') expect(await mails()).toEqual([])
  })

  test('count for an address in every spelling, and for no other', async () => {
    const { email } = await createCheapAccount({ email: 'zo\u00eb@example.com' })
    const spellings = [String(email), ' ZOE\u0308@Example.com ', 'zoe\u0308@EXAMPLE.com']
    for (let i = 0; i < 12; i += 1) await fail(spellings[i % 3] ?? '', 1)
    await fail('zoe@example.com', 1)

    expect(new Set((await counted()).map(({ count }) => count))).toEqual(new Set([1, 10]))
    const stored = JSON.stringify((await dumpTables(env.DB))['attempts'])
    expect(stored).not.toMatch(/example|zo/i)
  })

  // Whoever found one account under two subjects could guess at it twice as often.
  test.each(['\0', '\0x', '\u00ad', '\u200b', '\ufeff.'])(
    'find no account by its address with %j behind',
    async (more) => {
      const { email } = await createCheapAccount()
      expect((await signIn(`${email}${more}`)).status).toBe(401)
      expect((await signIn(email)).status).toBe(200)
    },
  )
})

describe('tries at once', () => {
  test('of which fifty are wrong are ten failures', async () => {
    const { email } = await createCheapAccount()
    const answers = await Promise.all(Array.from({ length: 50 }, () => signIn(email, 'wrong')))
    for (const one of answers) expect(await answer(one)).toEqual(NO_ACCOUNT)
    expect(await counted()).toEqual([{ topic: 'sign_in', count: 10, since: T0, at: T0, waits_until: T0 + 60 }])
    expect((await mails()).map(({ kind }) => kind)).toEqual(['sign_ins_paused'])
  })

  test('are worth no more guesses than tries in a row: the right one behind ten wrong ones opens nothing', async () => {
    const { email, id } = await createCheapAccount()
    // The tries have all found that nothing waits. Then ten others fail, and then the right one opens, or would.
    const gate = gateBehindFirstTrip()
    const late = startCheapWorker({ DB: gate.database })
    const right = signIn(email, PASSWORD, {}, late)
    await gate.reached
    await fail(email, 10)
    logged.mockClear()
    gate.open()

    expect(await answer(await right)).toEqual(NO_ACCOUNT)
    expect(causes()).toEqual(['waiting'])
    expect(await env.DB.prepare('select count(*) as n from sessions where user_id = ?').bind(id).first('n')).toBe(0)
    expect(await env.DB.prepare('select count(*) as n from seen_places').first('n')).toBe(0)
    expect((await mails()).map(({ kind }) => kind)).toEqual(['sign_ins_paused'])
  })

  test('of which nine fail before the right one opens are told to the owner, as those that fail one by one', async () => {
    const { email } = await atHome()
    const gate = gateBehindFirstTrip()
    const right = signIn(email, PASSWORD, {}, startCheapWorker({ DB: gate.database }))
    await gate.reached
    await fail(email, 9)
    gate.open()

    expect((await right).status).toBe(200)
    expect(
      (await mails()).map(({ kind, facts }) => [kind, (JSON.parse(String(facts)) as { failures: number }).failures]),
    ).toEqual([['new_sign_in', 9]])
  })
})

describe('tries at once from places of the owner', () => {
  test('are strangers as soon as 80 have failed, also if they were judged before', async () => {
    const { email, id } = await atHome()
    for (let i = 0; i < 8; i += 1) await fail(email, i === 7 ? 9 : 10, { ip: `203.0.113.${100 + i}` })
    const gate = gateBehindFirstTrip()
    const right = signIn(email, PASSWORD, {}, startCheapWorker({ DB: gate.database }))
    await gate.reached
    await fail(email, 1, { ip: '203.0.113.200' })
    gate.open()

    expect((await right).status).toBe(401)
    expect(await env.DB.prepare('select count(*) as n from sessions where user_id = ?').bind(id).first('n')).toBe(0)
  })
})

/** An account whose hash is PBKDF2, of the same password. */
function imported() {
  return createCheapAccount({ passwordHash: HASHES.pbkdf2Sha256 })
}

function hashOf(id: number) {
  return env.DB.prepare('select password_hash from users where id = ?').bind(id).first('password_hash')
}

describe('the right password of an imported account, whose hash is outdated', () => {
  test.each([
    ['before it was verified', 2, 0],
    // By then its check is taken for one whose Worker died.
    ['while it was verified', 3, 31],
  ])('costs no other hash where the wait began %s, by which time would tell it', async (_when, gated, seconds) => {
    const { email, id } = await imported()
    const gate = gateBehindFirstTrip(gated)
    const counting = countRoundTrips(gate.database)
    const hashed = vi.fn(cheapPasswords().hash)
    const late = startCheapWorker({ DB: counting.database }, { passwords: { ...cheapPasswords(), hash: hashed } })
    const right = signIn(email, PASSWORD, {}, late)
    await gate.reached
    at(seconds)
    await fail(email, 10)
    gate.open()

    expect(await answer(await right)).toEqual(NO_ACCOUNT)
    expect(causes().at(-1)).toBe('waiting')
    expect(hashed).not.toHaveBeenCalled()
    expect(counting.roundTrips()).toBe(3)
    // No check is left for one that goes on.
    expect((await counted()).map(({ topic }) => topic)).toEqual(['sign_in'])
    expect(await hashOf(id)).toBe(HASHES.pbkdf2Sha256)
  })

  test('replaces no hash where the wait began while the other one was made', async () => {
    const { email, id } = await imported()
    const gate = gateBehindFirstTrip(4)
    const right = signIn(email, PASSWORD, {}, startCheapWorker({ DB: gate.database }))
    await gate.reached
    await fail(email, 10)
    gate.open()

    expect(await answer(await right)).toEqual(NO_ACCOUNT)
    expect(await hashOf(id)).toBe(HASHES.pbkdf2Sha256)
    at(60)
    expect((await signIn(email)).status).toBe(200)
    expect(await hashOf(id)).toMatch(/^\$argon2id\$/)
  })
})

/** A database whose second round trip, or that one, waits until the test lets it go. */
function gateBehindFirstTrip(gated = 2) {
  const [reached, opened] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let trips = 0
  const database = new Proxy(env.DB, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      if (name !== 'batch') return member.bind(target)
      return async (statements: D1PreparedStatement[]) => {
        trips += 1
        if (trips === gated) {
          reached.resolve()
          await opened.promise
        }
        return target.batch(statements)
      }
    },
  })
  return { database, reached: reached.promise, open: opened.resolve }
}

describe('a client in a place that the owner signed in from', () => {
  test('at an address that the owner signed in from waits for no other, however many fail in its network', async () => {
    const account = await createCheapAccount()
    await granted(await signIn(account.email), describeAccount(account))
    for (let i = 0; i < 9; i += 1) await fail(account.email, 10, { ip: `203.0.113.${100 + i}` })
    await fail(account.email, 12, { ip: ELSEWHERE })
    expect((await signIn(account.email, PASSWORD, { ip: '203.0.113.200' })).status).toBe(401)
    await granted(await signIn(account.email), describeAccount(account))
    // By itself, it has ten guesses as every other.
    await fail(account.email, 10)
    expect((await signIn(account.email)).status).toBe(401)
    expect((await counted()).map(({ topic }) => topic)).toContain('sign_in own 203.0.113.7/32')
  })

  test('does not wait for strangers, nor strangers for it', async () => {
    const account = await atHome()
    await fail(account.email, 12, { ip: ELSEWHERE })
    expect((await signIn(account.email, PASSWORD, { ip: FAR })).status).toBe(401)
    await granted(await signIn(account.email), describeAccount(account))
    // What the strangers did is still counted.
    expect((await signIn(account.email, PASSWORD, { ip: FAR })).status).toBe(401)

    at(60)
    await fail(account.email, 10)
    expect((await signIn(account.email)).status).toBe(401)
    expect((await signIn(account.email, PASSWORD, { ip: FAR })).status).toBe(200)
  })

  test('does not wait for another client of the same provider', async () => {
    const account = await atHome()
    await fail(account.email, 11, { ip: '203.0.113.8' })
    expect(await counted()).toMatchObject([{ topic: 'sign_in 203.0.113.8/32', count: 10 }])
    expect((await signIn(account.email, PASSWORD, { ip: '203.0.113.8' })).status).toBe(401)
    await granted(await signIn(account.email), describeAccount(account))
    expect(await counted()).toMatchObject([{ topic: 'sign_in 203.0.113.8/32', count: 10 }])
    // Waits of strangers alone are told: whoever is at home may be the owner. The sign-in after the failures is.
    expect((await mails()).map(({ kind }) => kind)).toEqual(['new_sign_in'])
  })

  test('is one client with every address of its IPv6 /48', async () => {
    const account = await createCheapAccount()
    await insertSeenPlace(env.DB, account, 'DE/AS64500', T0)
    const cf = { asn: 64_500, country: 'DE' } as const
    for (let i = 0; i < 10; i += 1) await fail(account.email, 1, { ip: `2001:db8:7:${i}::1`, cf })
    expect(await counted()).toMatchObject([{ topic: 'sign_in 2001:db8:7::/48', count: 10 }])
    expect((await signIn(account.email, PASSWORD, { ip: '2001:db8:7:ff::1', cf })).status).toBe(401)
    expect((await signIn(account.email, PASSWORD, { ip: '2001:db8:8::1', cf })).status).toBe(200)
  })

  test('is a stranger again once 80 tries from such places have failed', async () => {
    const account = await atHome()
    for (let i = 0; i < 8; i += 1) await fail(account.email, 10, { ip: `203.0.113.${100 + i}` })
    expect(await counted()).toHaveLength(8)
    await fail(account.email, 10, { ip: '203.0.113.200' })
    expect((await counted())[0]).toMatchObject({ topic: 'sign_in', count: 10 })
    expect((await signIn(account.email)).status).toBe(401)
    // A day after the last one these are no row any more.
    at(DAY_SECONDS + 60)
    expect((await signIn(account.email)).status).toBe(200)
  })

  test('is none any more 90 days later', async () => {
    const account = await atHome()
    at(90 * DAY_SECONDS - 2)
    await fail(account.email, 1)
    at(90 * DAY_SECONDS - 1)
    await fail(account.email, 1)
    expect((await counted()).map(({ topic }) => topic)).toEqual(['sign_in', `sign_in ${HOME}/32`])
  })
})

describe('the owner', () => {
  test('is told once in a row of failures, when strangers have to wait, by a mail that goes into the queue', async () => {
    const queued: unknown[] = []
    const queueing = startCheapWorker({ MAIL_QUEUE: { send: async (body: unknown) => void queued.push(body) } })
    const account = await createCheapAccount()
    await fail(account.email, 9)
    expect(await mails()).toEqual([])
    for (let i = 0; i < 3; i += 1) await signIn(account.email, 'wrong', { ip: ELSEWHERE }, queueing)
    expect(queued).toEqual([{ id: (await mails())[0]?.['id'], account: account.id }])
    at(60)
    await fail(account.email, 2, { ip: ELSEWHERE })

    expect(await mails()).toMatchObject([
      { kind: 'sign_ins_paused', user_id: account.id, recipient: account.email, created_at: T0 },
    ])
    const { facts } = (await mails())[0] ?? {}
    expect(JSON.parse(String(facts))).toMatchObject({ at: T0, failures: 10, client: { address: ELSEWHERE } })
    // The next row is another one.
    at(3 * DAY_SECONDS)
    await fail(account.email, 10)
    expect(await mails()).toHaveLength(2)
  })
})

describe('a wrong password beside a session', () => {
  const REQUESTS = [
    [
      'POST',
      '/auth/password',
      (password: string) => ({ current_password: password, new_password: 'quite another good one' }),
    ],
    ['POST', '/auth/email', (password: string) => ({ password, new_email: 'other@example.com' })],
    ['DELETE', '/auth/me', (password: string) => ({ password })],
  ] as const

  test.each(REQUESTS)('counts as a failed sign-in of its client: %s %s', async (method, path, bodyOf) => {
    const account = await createCheapAccount()
    const { access_token: token } = pairOf(await worker.call(`/${account.guid}`))
    const ask = async (password: string) => {
      const headers = { Authorization: `Bearer ${token}` }
      return (await worker.call(path, { method, headers, json: bodyOf(password) })).status
    }
    for (let i = 0; i < 10; i += 1) expect(await ask('wrong')).toBe(400)
    logged.mockClear()
    expect(await ask(PASSWORD)).toBe(400)
    expect(causes()).toEqual(['waiting'])
    expect((await signIn(account.email)).status).toBe(401)
    expect((await mails()).map(({ kind }) => kind)).toEqual(['sign_ins_paused'])
    at(60)
    expect(await ask(PASSWORD)).toBeLessThan(300)
  })
})

describe('nothing tells whether an address has an account', () => {
  const counting = countRoundTrips(env.DB)
  const observed = startCheapWorker({ DB: counting.database })

  /** What a try shows: to its caller, and to the database. */
  async function tryOnce(email: string | null, password: string) {
    counting.reset()
    const response = await signIn(email, password, { ip: ELSEWHERE }, observed)
    const statements = counting.statements().map(({ sql, rowsWritten, changes }) => ({ sql, rowsWritten, changes }))
    return { ...(await answer(response)), roundTrips: counting.roundTrips(), statements }
  }

  test('every refusal is the same answer, by the same statements, that write the same rows', async () => {
    const good = await createCheapAccount()
    const inactive = await createCheapAccount({ isActive: false })
    const unconfirmed = await createCheapAccount({ confirmedAt: null })
    const without = await createCheapAccount({ passwordHash: null })
    const home = await atHome()
    const kinds = {
      unknown: ['nobody@example.com', PASSWORD],
      wrong: [good.email, 'wrong'],
      'wrong, of an account with a known place': [home.email, 'wrong'],
      inactive: [inactive.email, PASSWORD],
      unconfirmed: [unconfirmed.email, PASSWORD],
      'no password': [without.email, 'wrong'],
    } as const
    // The tenth makes all of them wait, and is told to those who can be told; then these wait.
    for (let i = 1; i <= 12; i += 1) {
      const expected = await tryOnce('somebody.else@example.com', 'wrong')
      expect(expected).toMatchObject({ ...NO_ACCOUNT, roundTrips: 2 })
      expect(expected.statements.map(({ rowsWritten }) => rowsWritten)).toEqual([0, 0, i === 1 ? 2 : 1, 0])
      for (const [name, [email, password]] of Object.entries(kinds)) {
        const got = await tryOnce(email, password)
        const isTold = (i === 10 && name.startsWith('wrong')) || (i === 10 && name === 'no password')
        if (isTold) got.statements.splice(-1, 1, ...expected.statements.slice(-1))
        expect({ name, i, ...got }).toEqual({ name, i, ...expected })
      }
    }
    // And now the right password.
    const waiting = await tryOnce('nobody@example.com', PASSWORD)
    expect(await tryOnce(good.email, PASSWORD)).toEqual(waiting)
    expect(await tryOnce(home.email, PASSWORD)).toEqual(waiting)
  })

  test('and neither does the right password of which the wait began while it was verified: it writes that one row', async () => {
    const { email } = await createCheapAccount()
    const gate = gateBehindFirstTrip()
    const written = countRoundTrips(gate.database)
    const right = signIn(email, PASSWORD, {}, startCheapWorker({ DB: written.database }))
    await gate.reached
    await fail(email, 10)
    gate.open()
    expect((await right).status).toBe(401)
    expect(written.statements().reduce((sum, { rowsWritten }) => sum + rowsWritten, 0)).toBe(1)
    expect(await counted()).toMatchObject([{ count: 10, at: T0, waits_until: T0 + 60 }])
  })
})
