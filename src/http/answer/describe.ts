/** Bodies of answers, in the names that callers know and the shapes of `answer-contract.ts`. Times are seconds since 1970, as in the tokens. */

import type { Account } from '../../domain/accounts/account.ts'
import type { AllowedPlace } from '../../domain/places/allowed-place.ts'
import type { Pair } from '../../domain/sessions/pair.ts'
import type { ListedSession } from '../../domain/sessions/session.ts'
import type * as Answers from './answer-contract.ts'

/** A pair for the JSON transport. `token_type`: the refresh token is good with a proof alone (RFC 9449 section 5). */
export function describePair({ access, refresh, account, session }: Pair): Answers.TokenPair {
  const bound = session.binding?.by === 'dpop' ? ({ token_type: 'DPoP' } as const) : {}
  return { access, refresh, email: account.email, user_id: account.id, group: account.group, ...bound }
}

/** An account as it is shown to its owner. */
export function describeAccount({ id, email, guid, group }: Account): Answers.AccountAnswer {
  return { email, user_id: id, guid, group }
}

/** A session in the list of its owner. `currentSid` is the one that asks. */
export function describeSession(session: ListedSession, currentSid: string): Answers.OwnSession {
  return { ...describeListed(session), current: session.sid === currentSid }
}

/** A session of a list, whoever asks. */
export function describeListed(session: ListedSession): Answers.ListedSession {
  const last = session.visit ?? session
  return {
    sid: session.sid,
    created_at: session.createdAt,
    last_used_at: session.issuedAt,
    expires_at: session.expiresAt,
    ip: session.address,
    city: session.city,
    country: session.country,
    network: session.provider,
    user_agent: session.userAgent,
    bound: session.boundBy,
    last_seen: {
      ip: last.address,
      city: last.city,
      country: last.country,
      network: last.provider,
      user_agent: last.userAgent,
    },
  }
}

/** A place that its owner allowed. */
export function describeAllowedPlace({
  id,
  place,
  city,
  country,
  provider,
  createdAt,
  expiresAt,
}: AllowedPlace): Answers.AllowedPlace {
  return { id, place, city, country, network: provider, created_at: createdAt, expires_at: expiresAt }
}
