/** Another address for an account: confirmed from the new one, announced to the former one, and taken back from there. */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import {
  changeEmail,
  changePassword,
  forgot,
  GOOD_PASSWORD,
  kindsTo,
  leave,
  linkTo,
  mailsTo,
  moveAddress,
  OTHER_PASSWORD,
  pressPage,
  register,
  registered,
  reset,
  signedIn,
  tokenOf,
  userRow,
} from '../../support/account-life.ts'
import { createAccount, dumpTables, insertPlace, PASSWORD } from '../../support/accounts.ts'
import { ACCEPTED, answer, malformed, problem } from '../../support/answers.ts'
import { at, DAY_SECONDS, stopClock, T0 } from '../../support/clock.ts'
import { keepLog } from '../../support/log.ts'
import { refreshByJson, signInByJson } from '../../support/requests.ts'
import { pairOf, worker } from '../../support/worker.ts'

stopClock()
keepLog('warn')

function freshEmail(): string {
  return `${crypto.randomUUID()}@example.com`
}

/** Whether the button of a link did what it says, or is refused, which is no trouble of ours. */
async function isPressed(path: 'confirm-email' | 'undo-email', token: string): Promise<boolean> {
  const { status } = await pressPage(`/links/${path}`, { token })
  expect([303, 401]).toContain(status)
  return status === 303
}

describe('another address', () => {
  test('is the account\u2019s once it is confirmed from there, and the former one is told', async () => {
    const { access, refresh, email, id } = await registered()
    const next = freshEmail()
    expect(await answer(await changeEmail(access, next))).toEqual(ACCEPTED)
    expect((await signInByJson(email, GOOD_PASSWORD)).status).toBe(200)
    expect((await signInByJson(next, GOOD_PASSWORD)).status).toBe(401)
    expect(await kindsTo(next)).toEqual(['confirm_email'])

    expect(await isPressed('confirm-email', await linkTo(next, 'confirm_email', 'confirm_email'))).toBe(true)
    expect((await signInByJson(email, GOOD_PASSWORD)).status).toBe(401)
    expect((await signedIn(next)).id).toBe(id)
    expect(await kindsTo(email)).toEqual(['confirm_address', 'email_changed'])
    expect((await refreshByJson(refresh)).status).toBe(200)
  })

  test('confirms an account that nobody confirmed', async () => {
    const { guid, id } = await createAccount(env.DB, { confirmedAt: null })
    const opened = pairOf(await worker.call(`/${guid}`))
    const next = freshEmail()
    expect((await changeEmail(opened.access_token, next, PASSWORD)).status).toBe(202)
    expect(await isPressed('confirm-email', await linkTo(next, 'confirm_email', 'confirm_email'))).toBe(true)
    expect(await userRow(id)).toMatchObject({ primary_email: next, confirmed_at: T0 })
  })

  test('that another account has gets the same answer; its owner is told, and nothing changes', async () => {
    const { access, email } = await registered()
    const { email: taken } = await createAccount(env.DB)
    expect(await answer(await changeEmail(access, String(taken)))).toEqual(ACCEPTED)
    expect(await kindsTo(String(taken))).toEqual(['address_taken'])
    expect((await signInByJson(email, GOOD_PASSWORD)).status).toBe(200)
  })

  test('that another account has by SQL, in mixed case, is not given twice', async () => {
    const { access } = await registered()
    const id = crypto.randomUUID()
    const { email: taken } = await createAccount(env.DB, { email: `Mixed-${id}@Example.com` })
    await changeEmail(access, `mixed-${id}@example.com`)
    expect(await kindsTo(`mixed-${id}@example.com`)).toEqual([])
    expect(await kindsTo(String(taken))).toEqual(['address_taken'])
  })

  test('is one in any case and any composition', async () => {
    const { access } = await registered()
    const id = crypto.randomUUID()
    await changeEmail(access, ` Ze\u0301E-${id.toUpperCase()}@Example.com `)
    expect(await kindsTo(`z\u00e9e-${id}@example.com`)).toEqual(['confirm_email'])
  })

  test('that another account got meanwhile is not given twice', async () => {
    const { access } = await registered()
    const next = freshEmail()
    await changeEmail(access, next)
    await registered(next)
    expect(await isPressed('confirm-email', await linkTo(next, 'confirm_email', 'confirm_email'))).toBe(false)
  })

  test('needs the password, and has to be one', async () => {
    const { access } = await registered()
    const wrong = { errors: { password: ['is not right'] } }
    expect(await answer(await changeEmail(access, freshEmail(), OTHER_PASSWORD))).toEqual(
      problem(400, 'Bad Request', 'Not valid password', 'password_not_valid', wrong),
    )
    const errors = { new_email: ['Invalid email address'] }
    expect(await answer(await changeEmail(access, 'nobody'))).toEqual(malformed(errors))
  })

  test('is confirmed once, and only while the account is as it was', async () => {
    const { access } = await registered()
    const [first, second] = [freshEmail(), freshEmail()]
    await changeEmail(access, first)
    await changeEmail(access, second)
    const ofFirst = await linkTo(first, 'confirm_email', 'confirm_email')
    const ofSecond = await linkTo(second, 'confirm_email', 'confirm_email')
    const pressed = await Promise.all(Array.from({ length: 10 }, () => isPressed('confirm-email', ofFirst)))
    expect(pressed.filter(Boolean)).toHaveLength(1)
    expect(await isPressed('confirm-email', ofSecond)).toBe(false)
  })
})

describe('a change that is taken back', () => {
  test('ends every session, and takes the password away: a mail gives a new one', async () => {
    const { access, email, id } = await registered()
    const thief = freshEmail()
    const undo = await moveAddress(access, email, thief)
    const { refresh } = await signedIn(thief)
    at(60)
    expect(await isPressed('undo-email', undo)).toBe(true)
    expect(await userRow(id)).toMatchObject({ primary_email: email, password_hash: null })
    expect((await refreshByJson(refresh)).status).toBe(401)
    for (const address of [email, thief]) expect((await signInByJson(address, GOOD_PASSWORD)).status).toBe(401)

    await forgot(email)
    await reset(await linkTo(email, 'reset_password', 'reset_password'))
    expect((await signedIn(email, OTHER_PASSWORD)).id).toBe(id)
  })

  test('is so for a week, whatever the new address did with the account', async () => {
    const { access, email, id } = await registered()
    const [thief, further] = [freshEmail(), freshEmail()]
    const undo = await moveAddress(access, email, thief)
    const { access: stolen } = await signedIn(thief)
    await changePassword(stolen, GOOD_PASSWORD, OTHER_PASSWORD)
    const thiefsUndo = await moveAddress(stolen, thief, further, OTHER_PASSWORD)
    at(7 * DAY_SECONDS - 1)
    expect(await isPressed('undo-email', undo)).toBe(true)
    expect(await userRow(id)).toMatchObject({ primary_email: email })
    // The thief's own link is void by that.
    expect(await isPressed('undo-email', thiefsUndo)).toBe(false)
    expect(await userRow(id)).toMatchObject({ primary_email: email })
  })

  test('is so even where the later change was taken back first', async () => {
    const { access, email, id } = await registered()
    const [thief, further] = [freshEmail(), freshEmail()]
    const undo = await moveAddress(access, email, thief)
    const { access: stolen } = await signedIn(thief)
    const thiefsUndo = await moveAddress(stolen, thief, further)
    expect(await isPressed('undo-email', thiefsUndo)).toBe(true)
    expect(await userRow(id)).toMatchObject({ primary_email: thief })
    expect(await isPressed('undo-email', undo)).toBe(true)
    expect(await userRow(id)).toMatchObject({ primary_email: email })
  })

  test('takes back the places that were allowed meanwhile, and where it is not taken back they stay', async () => {
    const until = { createdAt: T0, expiresAt: T0 + DAY_SECONDS }
    for (const isTaken of [false, true]) {
      const { access, email, id } = await registered()
      const undo = await moveAddress(access, email, freshEmail())
      await insertPlace(env.DB, { id, guid: '', email, group: 'user' }, 'asn:64500', until)
      if (isTaken) await registered(email)
      expect(await isPressed('undo-email', undo)).toBe(!isTaken)
      const { allowed_places: places } = await dumpTables(env.DB)
      expect(places?.filter((row) => row['user_id'] === id)).toHaveLength(isTaken ? 1 : 0)
    }
  })

  test('is taken back once, and not after a week', async () => {
    const { access, email } = await registered()
    const undo = await moveAddress(access, email, freshEmail())
    const pressed = await Promise.all(Array.from({ length: 10 }, () => isPressed('undo-email', undo)))
    expect(pressed.filter(Boolean)).toHaveLength(1)

    const other = await registered()
    const late = await moveAddress(other.access, other.email, freshEmail())
    at(7 * DAY_SECONDS)
    expect(await isPressed('undo-email', late)).toBe(false)
  })

  test('stays where it is when somebody else has the former address by now', async () => {
    const { access, email, id } = await registered()
    const next = freshEmail()
    const undo = await moveAddress(access, email, next)
    await registered(email)
    expect(await isPressed('undo-email', undo)).toBe(false)
    expect(await userRow(id)).toMatchObject({ primary_email: next })
    expect((await signInByJson(next, GOOD_PASSWORD)).status).toBe(200)
  })

  test('is of the account alone that changed', async () => {
    const { access, email } = await registered()
    const other = await registered()
    const undo = await moveAddress(access, email, freshEmail())
    const mail = (await mailsTo(email)).find((row) => row['kind'] === 'email_changed')
    const forged = await tokenOf({ ...mail, user_id: other.id } as typeof mail & { id: string }, 'undo_email')
    expect(await isPressed('undo-email', forged)).toBe(false)
    expect(await isPressed('undo-email', undo)).toBe(true)
  })

  test('is not for an account whose owner left', async () => {
    const { access, email } = await registered()
    const next = freshEmail()
    const undo = await moveAddress(access, email, next)
    const { access: current } = await signedIn(next)
    await leave(current)
    expect(await isPressed('undo-email', undo)).toBe(false)
  })
})

test('a page asks before it changes anything, and says so afterwards', async () => {
  const email = freshEmail()
  await register(email)
  const token = await linkTo(email, 'confirm_address', 'confirm')
  const page = await worker.call(`/links/confirm?token=${token}`)
  expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('<form method="post">')])
  expect((await signInByJson(email, GOOD_PASSWORD)).status).toBe(401)
  const done = await pressPage('/links/confirm', { token })
  expect(done.status).toBeLessThan(400)
  expect((await signInByJson(email, GOOD_PASSWORD)).status).toBe(200)
})

test('the page of a new password asks again where a rule is broken, and says which', async () => {
  const { email } = await registered()
  await forgot(email)
  const token = await linkTo(email, 'reset_password', 'reset_password')
  const send = (password: string) => pressPage('/links/reset-password', { token, new_password: password })
  const refused = await send('short')
  const text = await refused.text()
  expect(refused.status).toBe(400)
  expect(text).toContain('It needs at least 15 characters.')
  expect(text).toContain('name="new_password"')
  expect(text).not.toContain('short')
  expect((await send(OTHER_PASSWORD)).status).toBeLessThan(400)
  expect((await signInByJson(email, OTHER_PASSWORD)).status).toBe(200)
})
