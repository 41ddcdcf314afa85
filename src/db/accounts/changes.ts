/** Everything that opens, changes and ends accounts in D1: few requests need it, so that it is loaded with the first of them. */

import type { AccountChangeStore } from '../../domain/accounts/account-change.ts'
import type { EventFeed } from '../../domain/events/event-outbox.ts'
import { addressChanges } from './address-changes.ts'
import { credentials } from './credentials.ts'
import { registrations } from './registrations.ts'

/** The store over a D1 database. Build it once per isolate. */
export function createAccountChangeStore(d1: D1Database, newId: () => string, feed: EventFeed): AccountChangeStore {
  return { ...registrations(d1, newId, feed), ...credentials(d1, newId, feed), ...addressChanges(d1, newId, feed) }
}
