/** The health of a deployment as strangers may see it: names of parts, and ok or not. The log says why not. */

export const PARTS = ['configuration', 'keys', 'database', 'queue', 'sender'] as const
export type Part = (typeof PARTS)[number]

/** `unknown`: the part could not be asked, because the configuration cannot be used. */
export type Condition = 'ok' | 'not ok' | 'unknown'

export type Health = Readonly<Record<Part, Condition>>

export function isHealthy(health: Health): boolean {
  return Object.values(health).every((condition) => condition === 'ok')
}
