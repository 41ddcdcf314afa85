/** Who presents an access token: the one rule for every protected route. One round trip. */

import { TesseraError } from '../errors.ts'
import type { Account, FoundSession, Services, Session } from './ports.ts'
import { endOf } from './session-end.ts'
import { AccessClaims, parseToken, readClaims, requireCurrent } from './tokens.ts'

export interface Authenticated {
  readonly session: Session
  readonly account: NonNullable<FoundSession['account']>
}

/**
 * The live session and active account of an access token. Throws `wrong_data_structure`, `token_not_valid`,
 * `token_used` when the session has ended, `no_active_account`, `unavailable`.
 */
export async function authenticate(services: Services, text: string): Promise<Authenticated> {
  const token = parseToken(text)
  await services.tokens.verifySignature('access', token)
  const claims = readClaims(AccessClaims, token)
  requireCurrent(claims, services.now())
  const found = await services.sessions.find(claims.sid)
  if (found === null) throw new TesseraError('token_used', { cause: 'unknown', context: { sid: claims.sid } })
  const ended = endOf(found.session, { settings: services.settings, now: services.now() })
  if (ended !== null) throw new TesseraError('token_used', { cause: ended, context: { sid: claims.sid } })
  if (found.account === null) {
    throw new TesseraError('no_active_account', { cause: 'inactive', context: { sid: claims.sid } })
  }
  return { session: found.session, account: found.account }
}

/** An account as it is shown to its owner. */
export function describeAccount({ id, email, guid, group }: Account) {
  return { email, user_id: id, guid, group }
}
