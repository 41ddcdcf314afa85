/**
 * A pair is made from its session's row alone. The same row gives the same claims, and the same refresh token byte for byte, so
 * that a replay needs no stored token.
 */

import type { Account } from '../accounts/account.ts'
import type { Services } from '../services.ts'
import type { Session } from './session.ts'

export interface Pair {
  readonly access: string
  readonly refresh: string
  readonly account: Account
  /** When the refresh token ends, in seconds since 1970. */
  readonly expiresAt: number
  /** When the access token ends, likewise. */
  readonly accessExpiresAt: number
  /** The part of its session that its tokens show, and what that is bound to. */
  readonly session: PairSession
}

/** The part of a session that its tokens show. */
export type PairSession = Pick<Session, 'sid' | 'jti' | 'issuedAt' | 'expiresAt' | 'address' | 'binding'>

/**
 * Signs the pair of a session as it stands in its row; the access token as if it were issued at `accessIssuedAt`. `issuer` is the `iss` claim
 * (RFC 7519 section 4.1.1).
 */
export async function signPair(
  { settings, tokens }: Pick<Services, 'settings' | 'tokens'>,
  issuer: string,
  session: PairSession,
  account: Account,
  accessIssuedAt = session.issuedAt,
): Promise<Pair> {
  const accessExpiresAt = Math.min(accessIssuedAt + settings.accessTtlSeconds, session.expiresAt)
  const shared = {
    iss: issuer,
    sub: account.guid,
    id: account.id,
    guid: account.guid,
    sid: session.sid,
    jti: session.jti,
  }
  const [access, refresh] = await Promise.all([
    tokens.sign({
      // The operator's own stand first: none of them can be in the place of one of ours.
      ...ownClaimsOf(account),
      ...shared,
      iat: accessIssuedAt,
      exp: accessExpiresAt,
      ...(settings.audience !== undefined && { aud: settings.audience }),
      group: account.group,
      token_type: 'access',
    }),
    tokens.sign({
      ...shared,
      iat: session.issuedAt,
      exp: session.expiresAt,
      ip: session.address,
      token_type: 'refresh',
    }),
  ])
  return { access, refresh, account, expiresAt: session.expiresAt, accessExpiresAt, session }
}

/** The claims that an operator gave to an account. They were checked when they were stored. */
export function ownClaimsOf({
  ownClaims: stored,
  externalId,
}: Pick<Account, 'ownClaims' | 'externalId'>): Readonly<Record<string, unknown>> {
  const claims: unknown = stored === null ? null : JSON.parse(stored)
  return { ...(typeof claims === 'object' && claims), ...(externalId !== null && { external_id: externalId }) }
}
