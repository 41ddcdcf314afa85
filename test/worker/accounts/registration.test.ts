/** Signing up: what it answers, whom it mails, and when there is an account. */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import {
  confirm,
  GOOD_PASSWORD,
  kindsTo,
  linkTo,
  mailsTo,
  OTHER_PASSWORD,
  pressPage,
  register,
  registered,
  tokenOf,
} from '../../support/account-life.ts'
import { createAccount } from '../../support/accounts.ts'
import { ACCEPTED, answer, DONE, FORBIDDEN, malformed, NOT_VALID, problem, USED } from '../../support/answers.ts'
import { at, DAY_SECONDS, stopClock, T0 } from '../../support/clock.ts'
import { keepLog } from '../../support/log.ts'
import { post, signInByJson } from '../../support/requests.ts'
import { ELSEWHERE, HOME, startWorker } from '../../support/worker.ts'

stopClock()
keepLog('warn')

function freshEmail(): string {
  return `${crypto.randomUUID()}@example.com`
}

function resend(email: string) {
  return post('/auth/confirm/resend', { primary_email: email })
}

function usersWith(email: string) {
  return env.DB.prepare('SELECT count(*) AS n FROM users WHERE primary_email = ? COLLATE NOCASE')
    .bind(email)
    .first<number>('n')
}

describe('a registration', () => {
  test('is accepted, and makes an account only when its address is confirmed', async () => {
    const email = freshEmail()
    expect(await answer(await register(email))).toEqual(ACCEPTED)
    expect(await usersWith(email)).toBe(0)
    expect((await signInByJson(email, GOOD_PASSWORD)).status).toBe(401)

    expect(await answer(await confirm(await linkTo(email, 'confirm_address', 'confirm')))).toEqual(DONE)
    expect(await usersWith(email)).toBe(1)
    const signedIn = await signInByJson(email, GOOD_PASSWORD)
    expect(signedIn.status).toBe(200)
    expect(await signedIn.json()).toMatchObject({ email, group: 'user' })
    // What it came from is over.
    const left = await env.DB.prepare('SELECT count(*) AS n FROM registrations WHERE email = ?').bind(email).first('n')
    expect(left).toBe(0)
  })

  test('takes the address in any case and any composition for one', async () => {
    const id = crypto.randomUUID()
    await register(` Ze\u0301E-${id.toUpperCase()}@Example.com `)
    const email = `z\u00e9e-${id}@example.com`
    await confirm(await linkTo(email, 'confirm_address', 'confirm'))
    expect((await signInByJson(`Z\u00c9E-${id}@EXAMPLE.com`, GOOD_PASSWORD)).status).toBe(200)
  })

  test('is sent again to the address in any case and any composition', async () => {
    const id = crypto.randomUUID()
    await register(`z\u00e9e-${id}@example.com`)
    await resend(` Ze\u0301E-${id.toUpperCase()}@Example.com `)
    expect(await kindsTo(`z\u00e9e-${id}@example.com`)).toEqual(['confirm_address', 'confirm_address'])
  })

  test('remembers the language and the time zone that mails shall have', async () => {
    const email = freshEmail()
    const headers = { 'Accept-Language': 'de, ru;q=0.8, en;q=0.5' }
    await register(email, GOOD_PASSWORD, { headers, cf: { timezone: 'Europe/Berlin' } })
    const [mail] = await mailsTo(email)
    expect([mail?.['language'], mail?.['time_zone']]).toEqual(['ru', 'Europe/Berlin'])
    await confirm(await linkTo(email, 'confirm_address', 'confirm'))
    const row = await env.DB.prepare('SELECT language, time_zone, confirmed_at FROM users WHERE primary_email = ?')
      .bind(email)
      .first()
    expect(row).toEqual({ language: 'ru', time_zone: 'Europe/Berlin', confirmed_at: T0 })
  })

  test.each(['Nowhere/Land', '', 7])(
    'has no time zone where Cloudflare names none that is known: %j',
    async (timezone) => {
      const email = freshEmail()
      await register(email, GOOD_PASSWORD, { cf: { timezone } as Partial<IncomingRequestCfProperties> })
      expect((await mailsTo(email))[0]?.['time_zone']).toBe(null)
    },
  )

  test.each([
    ['no at', 'somebody.example.com'],
    ['nothing before it', '@example.com'],
    ['no dot behind it', 'somebody@localhost'],
    ['a blank', 'some body@example.com'],
    ['two addresses', 'a@example.com,b@example.com'],
    ['a name before it', 'A <a@example.com>'],
    ['a line break', 'a@example.com\r\nBcc: b@example.com'],
    ['quotes', '"a b"@example.com'],
    ['an address instead of a domain', 'a@[203.0.113.7]'],
    ['two dots', 'a..b@example.com'],
  ])('with %s in the address is malformed', async (_what, email) => {
    expect(await answer(await register(email))).toEqual(malformed({ primary_email: ['Invalid email address'] }))
  })

  test('says which rule the password breaks, whether or not the address has an account', async () => {
    const { email } = await createAccount(env.DB)
    const refusal = problem(400, 'Bad Request', 'Password is not accepted', 'password_not_accepted', {
      errors: { password: ['must have at least 15 characters'] },
    })
    expect(await answer(await register(String(email), 'short'))).toEqual(refusal)
    expect(await answer(await register(freshEmail(), 'short'))).toEqual(refusal)
    expect(await kindsTo(String(email))).toEqual([])
  })

  test('is refused where nobody may register', async () => {
    const closed = startWorker({ REGISTRATION: '' })
    const email = freshEmail()
    expect(await answer(await register(email, GOOD_PASSWORD, {}, closed))).toEqual(FORBIDDEN)
    expect(await answer(await post('/auth/confirm/resend', { primary_email: email }, {}, closed))).toEqual(FORBIDDEN)
    expect(await kindsTo(email)).toEqual([])
  })

  test('is confirmed only while anybody may register', async () => {
    const closed = startWorker({ REGISTRATION: '' })
    const email = freshEmail()
    await register(email)
    const token = await linkTo(email, 'confirm_address', 'confirm')
    expect(await answer(await confirm(token, closed))).toEqual(FORBIDDEN)
    expect((await closed.call(`/links/confirm?token=${token}`)).status).toBe(403)
    expect((await pressPage('/links/confirm', { token }, closed)).status).toBe(403)
    expect(await usersWith(email)).toBe(0)
    expect((await confirm(token)).status).toBe(204)
  })
})

describe('an address that has an account', () => {
  test('gets the same answer; its owner is told, once a day', async () => {
    const { email } = await createAccount(env.DB)
    expect(await answer(await register(String(email)))).toEqual(ACCEPTED)
    at(3600)
    expect(await answer(await register(String(email).toUpperCase()))).toEqual(ACCEPTED)
    expect(await kindsTo(String(email))).toEqual(['address_taken'])
    at(DAY_SECONDS)
    await register(String(email))
    expect(await kindsTo(String(email))).toEqual(['address_taken', 'address_taken'])
  })

  test('is one in any case, also where it was written by SQL', async () => {
    const id = crypto.randomUUID()
    const { email } = await createAccount(env.DB, { email: `Mixed-${id}@Example.com` })
    await register(`mixed-${id}@example.com`)
    expect(await kindsTo(`mixed-${id}@example.com`)).toEqual([])
    expect(await kindsTo(String(email))).toEqual(['address_taken'])
  })

  test('keeps its password', async () => {
    const { email } = await registered()
    await register(email, OTHER_PASSWORD)
    expect((await signInByJson(email, OTHER_PASSWORD)).status).toBe(401)
    expect((await signInByJson(email, GOOD_PASSWORD)).status).toBe(200)
  })

  test('has its registrations void, those from before it had the account, too', async () => {
    const email = freshEmail()
    await register(email, GOOD_PASSWORD)
    at(1)
    await register(email, OTHER_PASSWORD)
    const [first, second] = await mailsTo(email)
    if (first === undefined || second === undefined) throw new Error('no two mails')
    expect((await confirm(await tokenOf(second, 'confirm'))).status).toBe(204)
    expect(await answer(await confirm(await tokenOf(first, 'confirm')))).toEqual(USED)
    expect((await signInByJson(email, OTHER_PASSWORD)).status).toBe(200)
    expect((await signInByJson(email, GOOD_PASSWORD)).status).toBe(401)
  })

  test('by other means has its registrations void as well', async () => {
    const email = freshEmail()
    await register(email)
    const token = await linkTo(email, 'confirm_address', 'confirm')
    await createAccount(env.DB, { email: email.toUpperCase() })
    expect(await answer(await confirm(token))).toEqual(USED)
    expect((await env.DB.prepare('SELECT * FROM registrations WHERE email = ?').bind(email).all()).results).toEqual([])
  })
})

describe('of two who register one address', () => {
  test('the one whose mail is confirmed has the account: the link of each has its own password', async () => {
    const email = freshEmail()
    await register(email, GOOD_PASSWORD)
    at(1)
    // A stranger, afterwards: that does not touch the registration before.
    await register(email, OTHER_PASSWORD)
    const [first] = await mailsTo(email)
    if (first === undefined) throw new Error('no mail')
    expect((await confirm(await tokenOf(first, 'confirm'))).status).toBe(204)
    expect((await signInByJson(email, GOOD_PASSWORD)).status).toBe(200)
    expect((await signInByJson(email, OTHER_PASSWORD)).status).toBe(401)
  })
})

describe('the link', () => {
  test('works once, however many press it at the same time', async () => {
    const email = freshEmail()
    await register(email)
    const token = await linkTo(email, 'confirm_address', 'confirm')
    const statuses = await Promise.all(Array.from({ length: 20 }, async () => (await confirm(token)).status))
    expect(statuses.toSorted((a, b) => a - b)).toEqual([204, ...Array<number>(19).fill(401)])
    expect(await usersWith(email)).toBe(1)
  })

  test('that comes again tells where the registration came from, and not who asked for it', async () => {
    const email = freshEmail()
    await register(email)
    await register(email, OTHER_PASSWORD, { ip: ELSEWHERE })
    await resend(email)
    await resend(email)
    const clients = (await mailsTo(email)).map(
      ({ facts }) => (JSON.parse(String(facts)) as { client: { address: string } }).client.address,
    )
    expect(clients).toEqual([HOME, ELSEWHERE, ELSEWHERE, ELSEWHERE])
    await confirm(await linkTo(email, 'confirm_address', 'confirm'))
    expect((await signInByJson(email, OTHER_PASSWORD)).status).toBe(200)
  })

  test('that comes again is of a registration that had a mail: of one beyond the limit nobody could say where it came from', async () => {
    const email = freshEmail()
    for (let i = 0; i < 6; i += 1) await register(email, OTHER_PASSWORD, { ip: ELSEWHERE })
    await resend(email)
    const mails = await mailsTo(email)
    expect(mails).toHaveLength(6)
    expect(
      new Set(mails.map(({ facts }) => (JSON.parse(String(facts)) as { client: { address: string } }).client.address)),
    ).toEqual(new Set([ELSEWHERE]))
  })

  test('works for a day', async () => {
    const email = freshEmail()
    await register(email)
    const token = await linkTo(email, 'confirm_address', 'confirm')
    at(DAY_SECONDS)
    expect(await answer(await confirm(token))).toEqual(NOT_VALID)
    at(DAY_SECONDS - 1)
    expect((await confirm(token)).status).toBe(204)
  })

  test('of another purpose confirms nothing', async () => {
    const email = freshEmail()
    await register(email)
    expect(await answer(await confirm(await linkTo(email, 'confirm_address', 'reset_password')))).toEqual(NOT_VALID)
  })

  test('is of the account alone that its mail went to', async () => {
    const { id } = await createAccount(env.DB)
    const email = freshEmail()
    await register(email)
    const [mail] = await mailsTo(email)
    if (mail === undefined) throw new Error('no mail')
    expect(await answer(await confirm(await tokenOf({ ...mail, user_id: id }, 'confirm')))).toEqual(USED)
    expect((await confirm(await tokenOf(mail, 'confirm'))).status).toBe(204)
  })

  test('comes again when it is asked for, and both work until one is used', async () => {
    const email = freshEmail()
    await register(email)
    at(1)
    expect(await answer(await resend(email))).toEqual(ACCEPTED)
    expect(await answer(await resend(freshEmail()))).toEqual(ACCEPTED)
    const [first, second] = await mailsTo(email)
    if (first === undefined || second === undefined) throw new Error('no two mails')
    expect((await confirm(await tokenOf(second, 'confirm'))).status).toBe(204)
    expect(await answer(await confirm(await tokenOf(first, 'confirm')))).toEqual(USED)
    expect((await signInByJson(email, GOOD_PASSWORD)).status).toBe(200)
    expect(await answer(await resend(email))).toEqual(ACCEPTED)
    expect(await kindsTo(email)).toHaveLength(2)
  })
})

test('an address gets five mails of a kind a day, however often somebody asks', async () => {
  const email = freshEmail()
  for (let i = 0; i < 7; i += 1) expect((await register(email)).status).toBe(202)
  expect(await kindsTo(email)).toEqual(Array(5).fill('confirm_address'))
  at(DAY_SECONDS)
  await register(email)
  expect(await kindsTo(email)).toHaveLength(6)
})
