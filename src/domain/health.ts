/** What works of a deployment, in words for strangers: names of parts, and ok or not. Why not stands in the log. */

export const PARTS = ['configuration', 'keys', 'database', 'queue', 'sender'] as const
export type Part = (typeof PARTS)[number]

/** `unknown`: it cannot be told, because the configuration cannot be used. */
export type Condition = 'ok' | 'not ok' | 'unknown'

export type Health = Readonly<Record<Part, Condition>>

export function isHealthy(health: Health): boolean {
  return Object.values(health).every((condition) => condition === 'ok')
}
