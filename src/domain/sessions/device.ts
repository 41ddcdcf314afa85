/**
 * Sessions that a browser binds to a key of its device: once, in answer to an offer that came with its pair, and from then on it gets the next
 * pair by proof of that key.
 */

import { aboutSession, TesseraError } from '../../errors.ts'
import type { Cause } from '../../log.ts'
import type { Caller } from '../caller.ts'
import type { Services } from '../services.ts'
import type { AccessClaims, RefreshClaims } from '../tokens/claims.ts'
import { readRefreshProof, readRegistration } from '../tokens/dbsc.ts'
import { readToken, type Tokens } from '../tokens/tokens.ts'
import type { Pair } from './pair.ts'
import { exchange, type RefreshServices } from './refresh.ts'
import { proofRequired } from './unproven.ts'
import { judge, OUTCOMES } from './verdict.ts'

/**
 * Binds the live session of an access token to the key of a proof, in the round trip that writes it. The same key may come again, since a
 * browser may not have got the first answer. Throws `wrong_data_structure`, also for a proof that is not good or not for this session, and where
 * nothing is offered; `token_not_valid`; `token_used` for a session that is bound to another key or over, and for the access token of a used pair;
 * `unavailable`.
 */
export async function bindDevice(
  { settings, tokens, sessions, now: clock, log }: Pick<Services, 'settings' | 'tokens' | 'sessions' | 'now' | 'log'>,
  access: string,
  proof: string,
): Promise<AccessClaims> {
  if (settings.deviceBinding === 'off')
    throw new TesseraError('wrong_data_structure', { cause: 'DEVICE_BINDING is off' })
  const now = clock()
  const claims = await readToken(tokens, 'access', access, now)
  const { sid, guid, id: userId, jti } = claims
  const registered = await readRegistration(tokens, proof, sid, now)
  if ('refused' in registered) throw new TesseraError('wrong_data_structure', { cause: registered.refused, sid, guid })
  const binding = { key: registered.key, by: 'dbsc', proofId: null } as const
  try {
    const isBound = await sessions.bind({ sid, userId, guid, jti }, binding, now, settings)
    if (!isBound) throw new TesseraError('token_used', { cause: 'ended' })
  } catch (error) {
    throw aboutSession(error, claims)
  }
  log({ event: 'session_bound', guid, sid })
  return claims
}

/** What a browser comes with. `named`: the session that it means, where it says so, as it was told by the registration. */
export interface DeviceRequest {
  /** More than one where another host of the site planted some. */
  readonly refresh: readonly string[]
  readonly proof: string | null
  readonly named: string | null
}

/**
 * Exchanges the refresh token of a session that is bound to a browser: the proof stands in for the access token, which such a browser does not
 * have any more. Throws `device_proof_required`, with the challenge to sign, and as `refreshPair` does; `token_missing` for a session that is not
 * bound, which needs both tokens.
 */
export async function refreshByDevice(
  services: RefreshServices,
  { refresh, proof: text, named }: DeviceRequest,
  caller: Caller,
): Promise<Pair> {
  const { tokens } = services
  const now = services.now()
  const claims = await readMeant(tokens, refresh, named, now)
  const proof = text === null ? undefined : await readRefreshProof(tokens, text, claims, now)
  // Each browser makes the first half of its first refresh so.
  if (proof === undefined) return askForProof(services, claims, undefined)
  if ('refused' in proof) return askForProof(services, claims, proof.refused)
  return exchange(services, claims, { ...caller, proof })
}

/**
 * The newest refresh token of the session that a browser means. What was planted beside it must not end that session: a browser forgets it at any
 * refusal but one that asks for a proof.
 */
async function readMeant(
  tokens: Tokens,
  texts: readonly string[],
  named: string | null,
  now: number,
): Promise<RefreshClaims> {
  const read = await Promise.allSettled(texts.map((text) => readToken(tokens, 'refresh', text, now)))
  const good = read.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const meant = good.filter(({ sid }) => named === null || sid === named).toSorted((a, b) => b.iat - a.iat)
  const [newest] = meant
  if (newest !== undefined) {
    if (meant.every(({ sid }) => sid === newest.sid)) return newest
    throw new TesseraError('wrong_data_structure', { cause: 'cookie sent twice' })
  }
  // A browser that signed in again comes for its former session yet. 401 makes it forget that one.
  for (const { sid, guid } of good) throw new TesseraError('token_not_valid', { cause: 'another session', sid, guid })
  for (const one of read) if (one.status === 'rejected') throw one.reason
  throw new TesseraError('token_missing', { detail: 'Refresh token is missing' })
}

/**
 * Asks for the proof that the session of this refresh token needs, and changes nothing. Throws as `refreshByDevice` does without a proof.
 */
export async function requireDevice(services: RefreshServices, text: string): Promise<never> {
  return askForProof(services, await readToken(services.tokens, 'refresh', text, services.now()), 'unproven')
}

async function askForProof(services: RefreshServices, claims: RefreshClaims, cause: Cause | undefined): Promise<never> {
  const { settings, sessions } = services
  const { sid, guid } = claims
  const found = await sessions.find(sid).catch((error: unknown) => {
    throw aboutSession(error, claims)
  })
  const circumstances = { settings, proven: null, now: services.now() }
  const verdict = judge(found === null ? null : { ...found, inPlace: true }, claims, () => false, circumstances)
  const { kind } = verdict
  if (kind === 'unproven') throw await proofRequired(services, verdict, claims, cause)
  if (kind === 'unknown' || kind === 'foreign' || kind === 'ended' || kind === 'expired' || kind === 'inactive')
    throw new TesseraError(OUTCOMES[kind].answer, { cause: kind, sid, guid })
  throw new TesseraError('token_missing', { detail: 'Access token is missing', sid, guid })
}
