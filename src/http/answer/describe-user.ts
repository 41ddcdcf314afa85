/** A user as operators are shown it. Times are seconds since 1970. */

import type { User } from '../../domain/operators/user.ts'
import type * as Answers from '../operators/answer-contract.ts'

/** The body of an answer about a user. Of one whose owner left, all but its ids and times is null. */
export function describeUser(user: User): Answers.User {
  const { guid, id, createdAt, updatedAt, leftAt } = user
  const ids = { guid, user_id: id }
  const times = { created_at: createdAt, updated_at: updatedAt, left_at: leftAt }
  if (leftAt !== null) return { ...ids, ...NOTHING, ...times }
  return {
    ...ids,
    email: user.email,
    group: user.group,
    active: user.isActive,
    confirmed: user.confirmedAt !== null,
    has_password: user.hasPassword,
    external_id: user.externalId,
    claims: readClaims(user.ownClaims),
    language: user.language,
    time_zone: user.timeZone,
    ...times,
  }
}

const NOTHING = {
  email: null,
  group: null,
  active: null,
  confirmed: null,
  has_password: null,
  external_id: null,
  claims: null,
  language: null,
  time_zone: null,
} as const

function readClaims(stored: string | null): Answers.User['claims'] {
  return stored === null ? {} : JSON.parse(stored)
}
