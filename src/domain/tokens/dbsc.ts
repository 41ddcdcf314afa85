/**
 * Proofs of Device Bound Session Credentials: a JWT over a challenge of ours, signed by a key that a browser keeps in hardware. Challenges
 * are tokens of ours: nothing is stored, and whoever comes back with one shows what it was made for.
 */

import * as z from 'zod/mini'

import { TesseraError } from '../../errors.ts'
import type { Cause } from '../../log.ts'
import type { ClaimsOf, RefreshClaims } from './claims.ts'
import { type DeviceKey, isSignedBy, readDeviceKey, SOME_OTHER_KEY } from './device-key.ts'
import { nameOf, type Proof } from './proof.ts'
import { type ParsedToken, parseOrNull } from './token-form.ts'
import { readToken, type Tokens } from './tokens.ts'

/** A browser registers in the background: later, the offer is void. */
const OFFER_SECONDS = 300
/** A browser signs at once what it asked for. */
const ASKED_SECONDS = 60

const ProofClaims = z.object({ jti: z.string() })

/** Reads the proof that registers a key for this session, which stands in its header; or tells why it is not good. */
export async function readRegistration(
  tokens: Tokens,
  text: string,
  sid: string,
  now: number,
): Promise<{ readonly key: DeviceKey } | { readonly refused: Cause }> {
  const proof = parseProof(text)
  if ('refused' in proof) return proof
  const key = readDeviceKey(proof.token.header['jwk'])
  if (key === null) return { refused: 'proof key' }
  if (!(await isSignedBy(key, text))) return { refused: 'proof signature' }
  const challenge = await readChallenge(tokens, proof.challenge, now)
  return challenge?.sid === sid && challenge.jti === undefined ? { key } : { refused: 'challenge' }
}

/**
 * Reads the proof of a refresh: its challenge was made for the refresh token that comes along, and names the key of the session. Who signed it
 * by another key has a copy of the token, and of the challenge, too.
 */
export async function readRefreshProof(
  tokens: Tokens,
  text: string,
  { sid, jti }: Pick<RefreshClaims, 'sid' | 'jti'>,
  now: number,
): Promise<Proof> {
  const proof = parseProof(text)
  if ('refused' in proof) return proof
  const challenge = await readChallenge(tokens, proof.challenge, now)
  if (challenge?.key === undefined || challenge.sid !== sid || challenge.jti !== jti) return { refused: 'challenge' }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a challenge of ours has the key of a row
  const key = challenge.key as DeviceKey
  const isFresh = challenge.kept !== true
  return { key: (await isSignedBy(key, text)) ? key : SOME_OTHER_KEY, id: await nameOf(text), isFresh }
}

/** A challenge for the registration of a key for this session. */
export function registrationChallenge(tokens: Tokens, sid: string, now: number): Promise<string> {
  return signChallenge(tokens, { sid }, { now, expiresAt: now + OFFER_SECONDS })
}

/** What a refresh is proved for: the refresh token of this `jti` alone, so a challenge for it is good once. */
export interface Provable {
  readonly sid: string
  readonly jti: string
  readonly key: DeviceKey
}

/** A challenge that was asked for, to be signed at once. */
export function askedChallenge(tokens: Tokens, provable: Provable, now: number): Promise<string> {
  return signChallenge(tokens, provable, { now, expiresAt: now + ASKED_SECONDS })
}

/** The challenge that a browser keeps for its next refresh: good as long as the token that it is for. */
export function keptChallenge(tokens: Tokens, provable: Provable, life: Life): Promise<string> {
  return signChallenge(tokens, { ...provable, kept: true }, life)
}

/** From when until when a challenge is good, in seconds since 1970. */
interface Life {
  readonly now: number
  readonly expiresAt: number
}

/** The nonce makes two challenges of one second two. */
function signChallenge(
  tokens: Tokens,
  claims: Pick<ClaimsOf<'challenge'>, 'sid' | 'jti' | 'key' | 'kept'>,
  { now, expiresAt }: Life,
): Promise<string> {
  return tokens.sign({ token_type: 'challenge', nonce: crypto.randomUUID(), ...claims, iat: now, exp: expiresAt })
}

function parseProof(
  text: string,
): { readonly token: ParsedToken; readonly challenge: string } | { readonly refused: Cause } {
  const token = parseOrNull(text)
  if (token === null) return { refused: 'proof form' }
  const { typ, alg } = token.header
  if (typ !== 'dbsc+jwt' || alg !== 'ES256' || 'crit' in token.header) return { refused: 'proof header' }
  const claims = ProofClaims.safeParse(token.payload)
  return claims.success ? { token, challenge: claims.data.jti } : { refused: 'proof claims' }
}

async function readChallenge(tokens: Tokens, text: string, now: number): Promise<ClaimsOf<'challenge'> | null> {
  try {
    return await readToken(tokens, 'challenge', text, now)
  } catch (error) {
    if (error instanceof TesseraError) return null
    throw error
  }
}
