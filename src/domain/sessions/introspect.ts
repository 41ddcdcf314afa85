/** Token introspection (RFC 7662), for back ends that must know at once when a session ends. One round trip. */

import type { Services } from '../services.ts'
import { endOf } from './lifetime.ts'
import { ownClaimsOf } from './pair.ts'
import type { Binding } from './session.ts'
import { isCurrent, readEitherOrNull } from '../tokens/tokens.ts'
import { isOf } from './verdict.ts'

export type Introspection =
  | { readonly active: false }
  | ({
      readonly active: true
      readonly token_type: 'access' | 'refresh'
      readonly iss: string
      readonly sub: string
      readonly aud?: string
      readonly exp: number
      readonly iat: number
      readonly jti: string
      readonly sid: string
      readonly user_id: number
      readonly group: string
      readonly username: string | null
      /** The thumbprint of the key that the session's refreshes prove to have (RFC 7800 section 3.1, RFC 9449 section 6.2). */
      readonly cnf?: { readonly jkt: string }
      /** Beside these stand the account's own claims, as in its access tokens. */
    } & Readonly<Record<string, unknown>>)

/**
 * The state of a token. A token that is malformed, forged, expired or used is not an error but inactive (RFC 7662
 * section 2.2). An access token is active while its session lives; a refresh token while it is the live one.
 */
export async function introspect(
  services: Pick<Services, 'settings' | 'tokens' | 'sessions' | 'now'>,
  text: string,
): Promise<Introspection> {
  const claims = await readEitherOrNull(services.tokens, text)
  const now = services.now()
  if (claims === null || !isCurrent(claims, now)) return { active: false }
  const found = await services.sessions.find(claims.sid)
  if (found === null || found.account === null || !isOf(found.session, claims)) return { active: false }
  if (endOf(found.session, { settings: services.settings, now }) !== null) return { active: false }
  if (claims.token_type === 'refresh' && claims.jti !== found.session.jti) return { active: false }
  const { token_type, iss, sub, exp, iat, jti, sid } = claims
  const { id, group, email } = found.account
  const own = ownClaimsOf(found.account)
  const { binding } = found.session
  const cnf = binding === null ? {} : { cnf: { jkt: await thumbprintOf(binding) } }
  const aud = 'aud' in claims && claims.aud !== undefined ? { aud: claims.aud } : {}
  return {
    ...own,
    active: true,
    token_type,
    iss,
    sub,
    ...aud,
    exp,
    iat,
    jti,
    sid,
    user_id: id,
    group,
    username: email,
    ...cnf,
  }
}

/** Few sessions are bound, so what knows their keys is loaded when one is met. */
async function thumbprintOf({ key }: Binding): Promise<string> {
  const keys = await import('../tokens/device-key.ts')
  return keys.thumbprintOf(key)
}
