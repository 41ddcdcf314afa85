/** The keys of a set (RFC 7517) that may verify access tokens, as the runtime takes them. */

import type { VerifyingKey } from '../domain/tokens/token-key.ts'
import type { Jwk } from './key-set.ts'

/** By `kid`. */
export type ImportedKeys = ReadonlyMap<unknown, VerifyingKey>

/**
 * Imports each key that says of itself that it is one of ES256 or RS256, and leaves out every other: a set may have keys of algorithms to come.
 * A key whose `kid` is `known` is taken as it is, since a `kid` is the thumbprint of its key (RFC 7638).
 */
export async function importKeys(jwks: readonly Jwk[], known: ImportedKeys): Promise<ImportedKeys> {
  const imported = new Map<unknown, VerifyingKey>()
  await Promise.allSettled(
    jwks.map(async (jwk) => {
      const { kid, alg } = jwk
      if (alg !== 'ES256' && alg !== 'RS256') return
      // Of the curve and the hash, each algorithm reads the one that it has.
      const algorithm = {
        name: alg === 'ES256' ? 'ECDSA' : 'RSASSA-PKCS1-v1_5',
        namedCurve: 'P-256',
        hash: 'SHA-256',
      }
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the import refuses members that are not those of a public key of this algorithm
      const members = jwk as JsonWebKey
      const key = known.get(kid) ?? {
        alg,
        key: await crypto.subtle.importKey('jwk', members, algorithm, false, ['verify']),
      }
      imported.set(kid, key)
    }),
  )
  return imported
}
