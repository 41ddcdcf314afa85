/** Times by the clock of this run: how far away they are, and the exact time as a tooltip. */

const UNITS = [
  ['day', 86_400],
  ['h', 3600],
  ['min', 60],
  ['s', 1],
] as const

/** A duration in its largest unit, rounded down: "10 days", "4 min". */
export function describeDuration(seconds: number): string {
  const [unit, size] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? ['s', 1]
  const count = Math.floor(Math.abs(seconds) / size)
  return `${count} ${unit === 'day' && count !== 1 ? 'days' : unit}`
}

/** "2026-11-25 03:14:07 UTC". */
export function describeMoment(at: number): string {
  return `${new Date(at * 1000).toISOString().replace('T', ' ').slice(0, 19)} UTC`
}

/** "4 min ago", "in 10 days"; the tooltip has the exact time. */
export function Away({ at, now }: { readonly at: number; readonly now: number }) {
  const distance = describeDuration(at - now)
  const text = at === now ? 'just now' : at > now ? `in ${distance}` : `${distance} ago`
  return (
    <time datetime={new Date(at * 1000).toISOString()} title={describeMoment(at)}>
      {text}
    </time>
  )
}
