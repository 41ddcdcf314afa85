/** What other systems write for a truth, a time and a text, read into what an account of Tessera has. */

import { parseJson } from './parse-json.ts'

/** A value that cannot be read. The message follows the name of its field, and does not repeat the value. */
export class BadValue extends Error {}

/** Whether a cell says nothing: an empty one of CSV, a null of JSON. */
export function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || (typeof value === 'string' && value.trim() === '')
}

export function readText(value: unknown): string {
  if (typeof value === 'string') return value.trim()
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  throw new BadValue('is no text')
}

const TRUE = new Set(['true', 't', '1', 'yes', 'y', 'on'])
const FALSE = new Set(['false', 'f', '0', 'no', 'n', 'off'])

/** `true`, `t`, `1`, `yes` and their opposites; a time, such as that of a confirmation, is true. */
export function readTruth(value: unknown): boolean {
  return knownTruth(value) ?? Number.isFinite(timeOf(value))
}

/** A truth, or a time until which something holds. */
export function readTruthUntil(value: unknown, now: number): boolean {
  const known = knownTruth(value)
  return known ?? (isForEver(value) || timeOf(value) > now)
}

/** The time that stands for a truth. */
function timeOf(value: unknown): number {
  try {
    return readTime(value)
  } catch {
    throw new BadValue('is neither true nor false, nor a time')
  }
}

function isForEver(value: unknown): boolean {
  return typeof value === 'string' && /^infinity$/i.test(value.trim())
}

function knownTruth(value: unknown): boolean | null {
  if (typeof value === 'boolean') return value
  if (typeof value === 'object') return null
  const text = readText(value).toLowerCase()
  return TRUE.has(text) ? true : FALSE.has(text) ? false : null
}

/** Numbers beyond this are milliseconds: as seconds it is the year 5138. */
const MAX_SECONDS = 1e11

/** Seconds since 1970: of a number in seconds or milliseconds, ISO 8601, what PostgreSQL writes, or `{"$date": …}` of MongoDB. A time without a zone is UTC. */
export function readTime(value: unknown): number {
  if (typeof value === 'object' && value !== null && '$date' in value) return readTime(value.$date)
  const text = readText(value)
  if (/^-?\d+(\.\d+)?$/.test(text)) {
    const number = Number(text)
    return Math.floor(Math.abs(number) > MAX_SECONDS ? number / 1000 : number)
  }
  const [, day, time = '00:00:00', zone = 'Z'] =
    /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(?: ?(Z|UTC|[+-]\d{2}(?::?\d{2})?))?)?$/.exec(text) ??
    []
  const milliseconds = day === undefined ? NaN : Date.parse(`${day}T${wholeTime(time)}${wholeZone(zone)}`)
  if (Number.isNaN(milliseconds)) throw new BadValue('is no time')
  return Math.floor(milliseconds / 1000)
}

/** JavaScript reads three digits of a second. */
function wholeTime(time: string): string {
  return time.replace(/(\.\d{3})\d+$/, '$1')
}

/** PostgreSQL writes `+00`. */
function wholeZone(zone: string): string {
  if (zone === 'Z' || zone === 'UTC') return 'Z'
  return zone.length === 3 ? `${zone}:00` : zone.length === 5 ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone
}

/** An object, or a text that is the JSON of one. */
export function readObject(value: unknown): Readonly<Record<string, unknown>> {
  const parsed = typeof value === 'string' ? objectOf(value) : value
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw new BadValue('is no JSON object')
  return parsed as Readonly<Record<string, unknown>>
}

function objectOf(text: string): unknown {
  try {
    return parseJson(text)
  } catch {
    return undefined
  }
}
