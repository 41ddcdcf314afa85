/** The purge, for tests of what it leaves rather than of how it goes about it. */

import { env } from 'cloudflare:workers'

import { createPurge } from '../../src/db/purge.ts'

/** What is purged, in the order in which a run goes through it. */
export const PURGED = [
  'sessions',
  'allowed_places',
  'notifications',
  'used_links',
  'registrations',
  'address_changes',
  'seen_places',
  'attempts',
  'audit',
  'past_sessions',
  'events',
] as const
/** Those whose oldest rows are looked at. */
export const IN_ORDER = ['past_sessions'] as const

const purge = createPurge(env.DB, () => {}, { slices: 1 })

/** A day of the purge in one run, every table being one slice, with the clock where it is. */
export async function purgeAll(): Promise<void> {
  const now = Math.floor(Date.now() / 1000)
  await purge(now, now)
}
