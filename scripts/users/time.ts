/** Times for people, in the zone of this machine, and times that people write. Programs get seconds since 1970. */

import { UsageProblem } from './problem.ts'

const UNITS: Readonly<Record<string, number>> = { m: 60, h: 3600, d: 86_400, w: 604_800 }

/** `2026-11-28 14:07`. */
export function minuteOf(seconds: number): string {
  const date = new Date(seconds * 1000)
  return `${dayOf(seconds)} ${two(date.getHours())}:${two(date.getMinutes())}`
}

/** `2026-11-28`. */
export function dayOf(seconds: number): string {
  const date = new Date(seconds * 1000)
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
}

function two(value: number): string {
  return String(value).padStart(2, '0')
}

/** Seconds since 1970 for a time that a person wrote: `7d` ago, or a date of this zone, or one with a zone. Throws `UsageProblem`. */
export function readTime(text: string, now: number): number {
  const [, count, unit = ''] = /^(\d{1,6})([mhdw])$/.exec(text) ?? []
  if (count !== undefined) return now - Number(count) * (UNITS[unit] ?? 0)
  if (/^\d{9,11}$/.test(text)) return Number(text)
  if (!/^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:?\d{2})?)?$/.test(text)) throw noTime(text)
  // A date without a time would be one of UTC by itself.
  const milliseconds = Date.parse(text.length === 10 ? `${text}T00:00` : text.replace(' ', 'T'))
  if (Number.isNaN(milliseconds)) throw noTime(text)
  return Math.floor(milliseconds / 1000)
}

function noTime(text: string): UsageProblem {
  return new UsageProblem(`${text} is no time: write 2026-11-28, 2026-11-28T14:00, or 12h, 7d for so long ago`)
}
