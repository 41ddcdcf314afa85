/** The log of what operators do: a line for each thing that happened, in the names that events have, and none for what was not done. */

import { expect, test } from 'vitest'

import { GOOD_PASSWORD, OTHER_PASSWORD } from '../../support/account-life.ts'
import { GUID } from '../../support/accounts.ts'
import { stopClock } from '../../support/clock.ts'
import { keepLog } from '../../support/log.ts'
import { addUser, admin, changeUser } from '../../support/operators.ts'
import { openByGuid } from '../../support/sessions.ts'

stopClock()
const log = keepLog('warn')

/** The lines since the last look. */
function lines(): readonly unknown[] {
  const all: readonly unknown[] = log.mock.calls.map(([line]) => line)
  log.mockClear()
  return all
}

test('has a line for each thing that happened to an account, with its guid and never its address', async () => {
  const user = await addUser({ password: GOOD_PASSWORD, confirmed: false })
  const { guid } = user
  expect(lines()).toEqual([{ event: 'registered', guid, reason: 'operator' }])

  const { sid } = await openByGuid(guid)
  lines()
  await admin('DELETE', `/users/${guid}/sessions/${sid}`)
  await admin('DELETE', `/users/${guid}/sessions`)
  expect(lines()).toEqual([
    { event: 'session_ended', guid, sid, reason: 'operator' },
    { event: 'sessions_ended', guid, reason: 'operator' },
  ])

  const email = `${crypto.randomUUID()}@example.com`
  await changeUser(guid, { primary_email: email, password: OTHER_PASSWORD, confirmed: true, active: false })
  expect(lines()).toEqual([
    { event: 'password_changed', guid, reason: 'operator' },
    { event: 'email_changed', guid, reason: 'operator' },
    { event: 'confirmed', guid },
    { event: 'account_changed', guid, fields: ['confirmed'] },
    { event: 'deactivated', guid },
  ])
  await changeUser(guid, { group: 'editors', language: 'ru' })
  expect(lines()).toEqual([{ event: 'account_changed', guid, fields: ['group', 'language'] }])
  await changeUser(guid, { active: true })
  await changeUser(guid, { active: true })
  expect(lines()).toEqual([{ event: 'activated', guid }])
  await admin('DELETE', `/users/${guid}`)
  expect(lines()).toEqual([{ event: 'left', guid, reason: 'operator' }])
})

test('says of how many accounts a call ended the sessions of everybody, and nothing where there were none', async () => {
  for (let i = 0; i < 3; i += 1) await openByGuid()
  lines()
  await admin('DELETE', '/sessions')
  await admin('DELETE', '/sessions')
  expect(lines()).toEqual([{ event: 'all_sessions_ended', count: 3 }])
})

test('has none for what was refused but the refusals that have a cause', async () => {
  const user = await addUser()
  lines()
  await admin('POST', '/users', { primary_email: user.email })
  await admin('PATCH', `/users/${user.guid}`, { nonsense: 1 })
  for (const path of ['', '/sessions', '/sessions/x']) await admin('DELETE', `/users/${GUID}${path}`)
  expect(lines()).toEqual([])
})
