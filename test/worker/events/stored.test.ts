/** Which events are stored, by the statements themselves: none of what did not happen, and none is noted where nobody follows. */

import { env } from 'cloudflare:workers'
import { eq } from 'drizzle-orm'
import { describe, expect, test } from 'vitest'

import { prepareEvent, runTelling } from '../../../src/db/events/event.ts'
import { prepareSessionEvents } from '../../../src/db/events/session-events.ts'
import { users } from '../../../src/db/schema.ts'
import { createSessionStore } from '../../../src/db/sessions/store.ts'
import { createEventFeed } from '../../../src/domain/events/event-outbox.ts'
import { createAccount } from '../../support/accounts.ts'
import { stopClock, T0 } from '../../support/clock.ts'
import { claimsOf } from '../../support/forge.ts'
import { keepLog } from '../../support/log.ts'
import { eventsOf } from '../../support/operators.ts'
import { open } from '../../support/sessions.ts'
import { ORIGIN } from '../../support/worker.ts'

stopClock()
keepLog('warn')

const CLIENT = { address: '192.0.2.1', asn: null, country: null, city: null, provider: null, userAgent: null }

function followedStore() {
  const events = { feed: createEventFeed(true), told: prepareSessionEvents(env.DB) }
  return createSessionStore(env.DB, () => crypto.randomUUID(), events)
}

async function opened() {
  const { account, sid, guid, refresh } = await open()
  const facts = { at: T0, client: CLIENT, origin: ORIGIN }
  return {
    named: { sid, guid, userId: account.id, now: T0 },
    jti: String(claimsOf(refresh)['jti']),
    due: { userId: account.id, dedupeKey: crypto.randomUUID(), facts },
  }
}

describe('a session is told', () => {
  test('to be blocked and to end where its token is still the live one, and not where another client was faster', async () => {
    const { named, jti, due } = await opened()
    const notice = { kind: 'location_blocked', ...due, facts: { ...due.facts, usual: null } } as const
    const end = { ...named, reason: 'location', notice } as const
    expect(await followedStore().end({ ...end, onlyWhileJti: 'the former one' })).toMatchObject({ ended: false })
    expect(await eventsOf(named.userId)).toEqual([])
    expect(await followedStore().end({ ...end, onlyWhileJti: jti })).toMatchObject({ ended: true })
    expect(await eventsOf(named.userId)).toMatchObject([{ type: 'session_blocked' }, { type: 'session_ended' }])
  })

  test('to have a token in two hands where that was used, and not where it is the live one', async () => {
    const { named, jti, due } = await opened()
    const reused = { ...named, reason: 'reuse', notice: { kind: 'token_reused', ...due } } as const
    expect(await followedStore().endReused({ ...reused, usedJti: jti })).toMatchObject({ ended: false })
    expect(await eventsOf(named.userId)).toEqual([])
    expect(await followedStore().endReused({ ...reused, usedJti: 'the former one' })).toMatchObject({ ended: true })
    expect(await eventsOf(named.userId)).toMatchObject([{ type: 'token_reused' }, { type: 'session_ended' }])
  })
})

test.each([true, false])('whose event was stored is noted where somebody follows: %s', async (isFollowed) => {
  const { id } = await createAccount(env.DB)
  const noted: number[] = []
  const event = prepareEvent(env.DB, isFollowed, 'confirmed', null, { where: eq(users.id, id) })
  await runTelling(env.DB, { isFollowed, note: (userId) => void noted.push(userId) }, [event.bind({ now: T0 })])
  expect(await eventsOf(id)).toMatchObject([{ type: 'confirmed' }])
  expect(noted).toEqual(isFollowed ? [id] : [])
})
