/** The keys of the clients in a history, and how their refreshes prove them: apps by DPoP, browsers by a challenge that they sign. */

import { challengeOf, signChallenge } from './dbsc.ts'
import { createProvingClient, type ProvingClient } from './dpop.ts'
import type { Binding, ModelPair, ModelProof, Via } from './session-model.ts'
import { ORIGIN } from './worker.ts'

/** Every session that is bound in one way has one key, and no session has the last one. */
const [app, browser, other] = await Promise.all([createProvingClient(), createProvingClient(), createProvingClient()])
const OWN = { dpop: app, dbsc: browser } as const satisfies Record<Binding, ProvingClient>

/** A proof that is made for its request. */
export type NewProof = Exclude<ModelProof, 'copy' | 'kept'>

export type ProofHeaders = Readonly<Record<string, string>>

/** The key of a session that is bound in this way, as its row and as introspection name it. */
export function keyOf(boundBy: Binding): { readonly row: string; readonly thumbprint: string } {
  const { jwk, thumbprint } = OWN[boundBy]
  return { row: `${jwk.x}.${jwk.y}`, thumbprint }
}

export function clientOf(boundBy: Binding | null, key: 'own' | 'other'): ProvingClient {
  return key === 'own' ? OWN[boundBy ?? 'dpop'] : other
}

/** Challenges of answers, by the refresh token that they came with. A browser signs each of them once. */
const kept = new Map<string, string>()

export function forgetChallenges(): void {
  kept.clear()
}

/** An answer had this refresh token, and may have the challenge for the refresh by it. */
export function keepChallenge(refresh: string, answer: Response): void {
  const { challenge } = challengeOf(answer)
  if (challenge !== '') kept.set(refresh, challenge)
}

/** The challenge that came with a pair, once. */
export function takeChallenge({ refresh }: ModelPair): string | undefined {
  const challenge = kept.get(refresh)
  kept.delete(refresh)
  return challenge
}

/** The headers of a refresh that proves a key in the way of `via`; none where it proves nothing. */
export async function proofHeaders(
  proof: NewProof,
  via: Via,
  { boundBy, challenge, path = '/auth/token/refresh' }: Proving,
): Promise<ProofHeaders> {
  if (proof === 'none') return {}
  const client = clientOf(boundBy, proof)
  if (via === 'device') return { 'Secure-Session-Response': await signChallenge(client, challenge) }
  if (via !== 'json') return {}
  return { DPoP: await client.prove('POST', `${ORIGIN}${path}`, Math.floor(Date.now() / 1000)) }
}

interface Proving {
  readonly boundBy: Binding | null
  /** What a browser signs. */
  readonly challenge: string
  /** What an app asks. */
  readonly path?: string
}
