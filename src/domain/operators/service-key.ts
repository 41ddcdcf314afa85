/** Service keys: the bearer tokens of trusted back ends, each with a name for the ledger, and what it may do. */

import { equalBytes } from '../equal-bytes.ts'

/** Everything that a key may be for. */
export const SERVICE_SCOPES = {
  issue: 'open sessions by guid and by ticket, and name the client that it asks for',
  introspect: 'ask whether the session of a token lives',
  admin: 'administer accounts',
} as const satisfies Readonly<Record<string, string>>

export type ServiceScope = keyof typeof SERVICE_SCOPES

export const ALL_SCOPES: ReadonlySet<ServiceScope> = new Set(['issue', 'introspect', 'admin'])

/** The name of the key that `SERVICE_KEY` holds. */
export const UNNAMED_KEY = 'service'

/** A key by what is known of it: never the key itself. */
export interface ServiceKey {
  readonly name: string
  readonly may: ReadonlySet<ServiceScope>
}

/** A key as the configuration has it. */
export interface ConfiguredKey extends ServiceKey {
  readonly key: string
}

/** Finds which key a bearer token is, or `null`. Its duration shows neither the content nor the length of a key, nor which one it was. */
export async function createServiceKeyCheck(
  configured: readonly ConfiguredKey[],
): Promise<(presented: string) => Promise<ServiceKey | null>> {
  const known = await Promise.all(
    configured.map(async ({ key, name, may }) => ({ digest: await sha256(key), is: { name, may } })),
  )
  return async (presented) => {
    const digest = await sha256(presented)
    let found: ServiceKey | null = null
    // Every key is compared, also behind the one that fits.
    for (const { digest: expected, is } of known) if (equalBytes(digest, expected)) found = is
    return found
  }
}

async function sha256(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)))
}
