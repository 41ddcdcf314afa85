/** What the statements about one session find. */

import type { Binding, FoundSession, Session } from '../../domain/sessions/session.ts'

type SessionColumns = Omit<Session, 'isEndedByAccount' | 'guid' | 'binding'> & {
  readonly boundKey: Binding['key'] | null
  readonly boundBy: Binding['by'] | null
  readonly boundProof: string | null
}

/** All null where the account is gone. */
interface AccountColumns {
  readonly isEndedByAccount: number
  readonly isActive: number | null
  readonly accountId: number | null
  readonly guid: string | null
  readonly email: string | null
  readonly group: string | null
  readonly externalId: string | null
  readonly ownClaims: string | null
  readonly isConfirmed: number
}

/** A session with its account, as a row of a left join has them. */
export function toFound(row: SessionColumns & AccountColumns): FoundSession {
  const {
    accountId,
    guid,
    email,
    group,
    externalId,
    ownClaims,
    isActive,
    isConfirmed,
    isEndedByAccount,
    boundKey,
    boundBy,
    boundProof,
    ...columns
  } = row
  const binding = boundKey === null ? null : { key: boundKey, by: boundBy ?? 'dpop', proofId: boundProof }
  const session = { ...columns, guid, isEndedByAccount: isEndedByAccount === 1, binding }
  if (accountId === null || guid === null || group === null || isActive !== 1) return { session, account: null }
  return {
    session,
    account: { id: accountId, guid, email, group, externalId, ownClaims, isConfirmed: isConfirmed === 1 },
  }
}
