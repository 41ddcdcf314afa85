/**
 * Every request that opens, changes or ends an account, or asks for a mail about one, while D1 or the queue fails: the change and its mail are
 * both there or both not, the answer is a 503 and never a 401, and the next try does what the first one should have.
 */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import { GOOD_PASSWORD, linkTo, OTHER_PASSWORD } from '../../support/account-life.ts'
import { dumpTables } from '../../support/accounts.ts'
import { startCheapWorker } from '../../support/cheap-passwords.ts'
import { type Fault, FAULTS } from '../../support/faulty-bindings.ts'
import { createRig, mailApi, range, type Rig, settleMails, startWell } from '../../support/faulty-worker.ts'
import { form } from '../../support/requests.ts'

startWell()

interface Life {
  readonly name: string
  /** Round trips of a request that goes well. The last one writes, and only that one. */
  readonly trips: number
  readonly status: number
  /** The answer to a second try, where the first one was done. */
  readonly again: number
  /** The mails that it makes due, and those that a second try makes due where the first one was done. */
  readonly mails: readonly string[]
  readonly mailsAgain: readonly string[]
  readonly prepare: (rig: Rig) => Promise<() => Promise<Response>>
}

const LIFE: readonly Life[] = [
  {
    name: 'registering',
    trips: 1,
    status: 202,
    again: 202,
    mails: ['confirm_address'],
    mailsAgain: ['confirm_address'],
    prepare: async (rig) => send(rig, 'POST', '/auth/register', { primary_email: email(), password: GOOD_PASSWORD }),
  },
  {
    name: 'registering an address that has an account',
    trips: 1,
    status: 202,
    again: 202,
    mails: ['address_taken'],
    mailsAgain: [],
    async prepare(rig) {
      const { email: taken } = await signedUp(rig)
      return send(rig, 'POST', '/auth/register', { primary_email: taken, password: OTHER_PASSWORD })
    },
  },
  {
    name: 'asking for the mail of a registration again',
    trips: 1,
    status: 202,
    again: 202,
    mails: ['confirm_address'],
    mailsAgain: ['confirm_address'],
    async prepare(rig) {
      const primary_email = email()
      await done(send(rig, 'POST', '/auth/register', { primary_email, password: GOOD_PASSWORD }), 202)
      return send(rig, 'POST', '/auth/confirm/resend', { primary_email })
    },
  },
  {
    name: 'confirming a registration',
    trips: 1,
    status: 204,
    again: 401,
    mails: [],
    mailsAgain: [],
    async prepare(rig) {
      const primary_email = email()
      await done(send(rig, 'POST', '/auth/register', { primary_email, password: GOOD_PASSWORD }), 202)
      const token = await linkTo(primary_email, 'confirm_address', 'confirm')
      return send(rig, 'POST', '/auth/confirm', { token })
    },
  },
  {
    name: 'asking for a new password',
    trips: 1,
    status: 202,
    again: 202,
    mails: ['reset_password'],
    mailsAgain: ['reset_password'],
    async prepare(rig) {
      const { email: primary_email } = await signedUp(rig)
      return send(rig, 'POST', '/auth/password/forgot', { primary_email })
    },
  },
  {
    name: 'choosing a new password by a link',
    trips: 2,
    status: 204,
    again: 401,
    mails: ['password_changed'],
    mailsAgain: [],
    async prepare(rig) {
      const { email: primary_email } = await signedUp(rig)
      await done(send(rig, 'POST', '/auth/password/forgot', { primary_email }), 202)
      const token = await linkTo(primary_email, 'reset_password', 'reset_password')
      return send(rig, 'POST', '/auth/password/reset', { token, new_password: OTHER_PASSWORD })
    },
  },
  {
    name: 'changing the password',
    trips: 4,
    status: 204,
    // What was typed is the former password by then. The session lives.
    again: 400,
    mails: ['password_changed'],
    mailsAgain: [],
    async prepare(rig) {
      const { access } = await signedUp(rig)
      return send(rig, 'POST', '/auth/password', passwords, access)
    },
  },
  {
    name: 'asking for another address',
    trips: 4,
    status: 202,
    again: 202,
    mails: ['confirm_email'],
    mailsAgain: ['confirm_email'],
    async prepare(rig) {
      const { access } = await signedUp(rig)
      return send(rig, 'POST', '/auth/email', { password: GOOD_PASSWORD, new_email: email() }, access)
    },
  },
  {
    name: 'asking for an address that another account has',
    trips: 4,
    status: 202,
    again: 202,
    mails: ['address_taken'],
    mailsAgain: [],
    async prepare(rig) {
      const [{ access }, other] = [await signedUp(rig), await signedUp(rig)]
      return send(rig, 'POST', '/auth/email', { password: GOOD_PASSWORD, new_email: other.email }, access)
    },
  },
  {
    name: 'confirming another address',
    trips: 1,
    status: 303,
    again: 401,
    mails: ['email_changed'],
    mailsAgain: [],
    async prepare(rig) {
      return press(rig, '/links/confirm-email', (await movable(rig)).token)
    },
  },
  {
    name: 'taking a change of address back',
    trips: 1,
    status: 303,
    again: 401,
    mails: [],
    mailsAgain: [],
    async prepare(rig) {
      const { email: former, token } = await movable(rig)
      await done(press(rig, '/links/confirm-email', token), 303)
      return press(rig, '/links/undo-email', await linkTo(former, 'email_changed', 'undo_email'))
    },
  },
  {
    name: 'leaving',
    trips: 4,
    status: 204,
    // There is no session any more, and nobody whom it could be of.
    again: 401,
    mails: ['account_left'],
    mailsAgain: [],
    async prepare(rig) {
      const { access } = await signedUp(rig)
      return send(rig, 'DELETE', '/auth/me', { password: GOOD_PASSWORD }, access)
    },
  },
]

const passwords = { current_password: GOOD_PASSWORD, new_password: OTHER_PASSWORD }
const rig = newRig()

/** One of its own, where several requests wait at the same time. */
function newRig(): Rig {
  return createRig({ MAIL_TRANSPORT: 'api', MAIL_API_URL: 'https://mail.example.net/emails' }, startCheapWorker)
}

function email(): string {
  return `${crypto.randomUUID()}@example.com`
}

function send(by: Rig, method: string, path: string, json: unknown, access?: string): () => Promise<Response> {
  const headers = access === undefined ? {} : { Authorization: `Bearer ${access}` }
  return () => by.call(path, { method, json, headers })
}

function press(by: Rig, path: string, token: string): () => Promise<Response> {
  return () => by.call(path, { ...form({ token }), method: 'POST' })
}

async function done(request: () => Promise<Response>, status: number): Promise<Response> {
  const response = await request()
  expect(response.status).toBe(status)
  return response
}

/** An account that somebody registered and confirmed, and a session of it. */
async function signedUp(by: Rig): Promise<{ readonly email: string; readonly access: string }> {
  const credentials = { primary_email: email(), password: GOOD_PASSWORD }
  await done(send(by, 'POST', '/auth/register', credentials), 202)
  const token = await linkTo(credentials.primary_email, 'confirm_address', 'confirm')
  await done(send(by, 'POST', '/auth/confirm', { token }), 204)
  const response = await done(send(by, 'POST', '/auth/token', credentials), 200)
  const { access } = await response.json<{ access: string }>()
  return { email: credentials.primary_email, access }
}

/** An account that asked for another address, and the token that confirms it. */
async function movable(by: Rig): Promise<{ readonly email: string; readonly token: string }> {
  const [{ access, email: former }, next] = [await signedUp(by), email()]
  await done(send(by, 'POST', '/auth/email', { password: GOOD_PASSWORD, new_email: next }, access), 202)
  return { email: former, token: await linkTo(next, 'confirm_email', 'confirm_email') }
}

async function expectTrouble(request: () => Promise<Response>): Promise<void> {
  const { status, headers } = await request()
  const got = { status, retryAfter: headers.get('Retry-After'), cookies: headers.getSetCookie() }
  expect(got).toEqual({ status: 503, retryAfter: '1', cookies: [] })
}

/** The kinds of the mails that were stored since. */
async function mailsSince(before: Awaited<ReturnType<typeof dumpTables>>): Promise<readonly unknown[]> {
  const known = new Set(before['notifications']?.map(({ id }) => id))
  const { notifications: mails = [] } = await dumpTables(env.DB)
  return mails.filter(({ id }) => !known.has(id)).map(({ kind }) => kind)
}

function byText(a: unknown, b: unknown): number {
  return String(a) < String(b) ? -1 : 1
}

async function unsent(): Promise<unknown> {
  return env.DB.prepare('SELECT count(*) AS n FROM notifications WHERE sent_at IS NULL').first('n')
}

const ROWS = LIFE.flatMap((life) =>
  range(life.trips).flatMap((trip) => {
    const faults: readonly Fault[] = trip === life.trips - 1 ? [...FAULTS, 'overloaded'] : ['before']
    return faults.map((fault) => ({ ...life, trip, nth: trip + 1, fault }))
  }),
)

describe('when D1 fails', () => {
  test.each(ROWS)('$fault round trip $nth of $trips, $name is a 503, and can be repeated', async (row) => {
    const request = await row.prepare(rig)
    mailApi()
    await settleMails(rig)
    const before = await dumpTables(env.DB)
    rig.d1.fail(...range(row.trip).map(() => null), row.fault)
    await expectTrouble(request)
    rig.d1.heal()

    const isDone = row.fault === 'after' && row.trip === row.trips - 1
    if (isDone) expect(await mailsSince(before)).toEqual(row.mails)
    else expect(await dumpTables(env.DB)).toEqual(before)
    expect((await request()).status).toBe(isDone ? row.again : row.status)
    expect(await mailsSince(before)).toEqual(isDone ? [...row.mails, ...row.mailsAgain] : row.mails)
    // Of the one whose answer was lost, nobody told the queue: the sweep does.
    await settleMails(rig)
    expect(await unsent()).toBe(0)
  })

  test('to answer at all, each is a 503 in time, and nothing has changed', async () => {
    const silent = await Promise.all(
      LIFE.map(async (life) => {
        const own = newRig()
        return { life, own, request: await life.prepare(own) }
      }),
    )
    const before = await dumpTables(env.DB)
    await Promise.all(
      silent.map(async ({ life, own, request }) => {
        own.d1.fail(...range(life.trips - 1).map(() => null), 'silent')
        await expectTrouble(request)
      }),
    )
    expect(await dumpTables(env.DB)).toEqual(before)
  })
})

describe('when the queue', () => {
  test.each(['throws', 'silent', 'lost', 'doubled'] as const)(
    'is %s, the answer is the same, the mail is in the outbox, and goes out',
    async (fault) => {
      const asked = await Promise.all(
        LIFE.map(async (life) => {
          const own = newRig()
          return { life, own, request: await life.prepare(own) }
        }),
      )
      const before = await dumpTables(env.DB)
      for (const { own } of asked) own.messages.fail(fault)
      await Promise.all(asked.map(({ life, request }) => done(request, life.status)))
      const expected = asked.flatMap(({ life }) => life.mails)
      expect((await mailsSince(before)).toSorted(byText)).toEqual(expected.toSorted(byText))

      const calls = mailApi()
      // What the preparations made due waits, too: each mail goes out once.
      for (const { own } of asked) own.messages.fail(null)
      for (const { own } of asked) for (const message of own.messages.messages) rig.messages.messages.push(message)
      await settleMails(rig)
      expect(await unsent()).toBe(0)
      const keys = calls.map(({ headers }) => headers['idempotency-key'])
      expect(new Set(keys).size).toBe(keys.length)
    },
  )
})
