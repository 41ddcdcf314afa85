/** What Cloudflare knows of a client, as one line of text that people read: not escaped, and unable to begin another line. */

/** The English name of a country by its code, or `null` where that is none. */
export function countryName(code: string | null): string | null {
  if (code === null || !/^[A-Z]{2}$/.test(code)) return null
  return new Intl.DisplayNames('en', { type: 'region', fallback: 'code' }).of(code) ?? code
}

/** A line of a plain text mail is one fact: a value must not be able to write the next one. */
export function oneLine(value: string | null): string | null {
  return value?.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').trim() || null
}
