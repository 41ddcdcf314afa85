/** The proof of a request that its client has a key (RFC 9449): the `DPoP` header. */

import type { Context } from 'hono'

import type { Caller } from '../../domain/caller.ts'
import type { AppEnv } from '../factory.ts'
import { readIssuer } from './caller.ts'

/** What the proof of a request below `path` shows, as a caller has it; nothing where there is none. */
export async function readProof(c: Context<AppEnv>, path: string): Promise<Pick<Caller, 'proof'>> {
  const text = c.req.header('DPoP')
  if (text === undefined) return {}
  // Few clients prove anything, so the core does without.
  const { readDpopProof } = await import('../../domain/tokens/dpop.ts')
  // The address is that under which this deployment is reached, never the one that a request claims.
  const target = { method: c.req.method, url: `${readIssuer(c)}${path}` }
  return { proof: await readDpopProof(text, target, c.env.now()) }
}
