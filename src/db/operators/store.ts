/** Everything that operators read and write in D1: few requests need it, so that it is loaded with the first of them. */

import type { EventFeed } from '../../domain/events/event-outbox.ts'
import type { OperatorStore } from '../../domain/operators/operator.ts'
import { createAuditStore } from './audit.ts'
import { createHistoryStore } from './history.ts'
import { createListedMailStore } from './mails.ts'
import { createUserStore } from './users.ts'

/** The stores over a D1 database. Build them once per isolate. */
export function createOperatorStore(d1: D1Database, newId: () => string, feed: EventFeed): OperatorStore {
  return {
    audit: createAuditStore(d1),
    histories: createHistoryStore(d1),
    mails: createListedMailStore(d1),
    users: createUserStore(d1, newId, feed),
  }
}
