/** Operators: whoever administers accounts by a service key. What they may do is a store a room, all loaded with the first call. */

import type { AuditStore } from './audit.ts'
import type { HistoryStore } from './history.ts'
import type { ListedMailStore } from './listed-mail.ts'
import type { UserStore } from './user.ts'

/** Everything that is kept for operators. */
export interface OperatorStore {
  readonly audit: AuditStore
  readonly histories: HistoryStore
  readonly mails: ListedMailStore
  readonly users: UserStore
}
