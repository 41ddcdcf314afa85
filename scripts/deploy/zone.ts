/** The zone of a host: the domain of this account that it is part of. */

import * as z from 'zod/mini'

import type { Cloudflare } from './cloudflare.ts'

const Zones = z.array(z.object({ id: z.string(), name: z.string(), status: z.string() }))
export type Zone = z.infer<typeof Zones>[number]

/** The closest zone at or above `host`; `null` where the account has none. */
export async function findZone(cloudflare: Cloudflare, account: string, host: string): Promise<Zone | null> {
  for (let labels = host.split('.'); labels.length > 1; labels = labels.slice(1)) {
    const query = { name: labels.join('.'), 'account.id': account }
    const [zone] = await cloudflare.ask(Zones, '/zones', { query })
    if (zone !== undefined) return zone
  }
  return null
}
