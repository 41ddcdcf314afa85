/** Times as people read them: in the zone of whoever reads, and with its name beside them. */

import { isTimeZone } from '../domain/language.ts'

/** For whoever has no zone of their own, or one that this platform does not know. */
const UTC = 'UTC'

/** `15 January 2027, 11:00 GMT+3 (Moscow Standard Time)`. `seconds` are those since 1970, `timeZone` an IANA name. Never throws. */
export function describeTime(seconds: number, locale: string, timeZone: string | null): string {
  const zone = zoneOf(timeZone)
  const short = shortTime(seconds, locale, timeZone)
  const long = nameOf(new Date(seconds * 1000), locale, zone, 'long')
  return zone === UTC || short.endsWith(` ${long}`) ? short : `${short} (${long})`
}

/** `15 January 2027, 11:00 GMT+3`: for lists of times, all in one zone. Otherwise as `describeTime`. */
export function shortTime(seconds: number, locale: string, timeZone: string | null): string {
  const date = new Date(seconds * 1000)
  const zone = zoneOf(timeZone)
  const day = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'long', year: 'numeric', timeZone: zone })
  const time = new Intl.DateTimeFormat(locale, {
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    timeZone: zone,
  })
  return `${day.format(date)}, ${time.format(date)} ${nameOf(date, locale, zone, 'short')}`
}

function zoneOf(timeZone: string | null): string {
  return timeZone !== null && isTimeZone(timeZone) ? timeZone : UTC
}

function nameOf(date: Date, locale: string, timeZone: string, style: 'short' | 'long'): string {
  const parts = new Intl.DateTimeFormat(locale, { timeZone, timeZoneName: style }).formatToParts(date)
  const name = parts.find(({ type }) => type === 'timeZoneName')?.value ?? timeZone
  // A line may break behind a hyphen, and not behind a minus.
  return name.replace(/^(GMT|UTC)-/, '$1\u2212')
}
