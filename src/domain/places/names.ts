/** What Cloudflare knows of a client, as one line of text for people. HTML has to escape it. */

/** The name of a country by its code, in a language, or `null` where that is no code. */
export function countryName(code: string | null, language: string): string | null {
  if (code === null || !/^[A-Z]{2}$/.test(code)) return null
  return new Intl.DisplayNames(language, { type: 'region', fallback: 'code' }).of(code) ?? code
}

/** The value without control characters and line breaks, so that it cannot write a line of its own into a plain text mail. */
export function oneLine(value: string | null): string | null {
  return value?.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').trim() || null
}

/** The parts between which a value may break: behind the colons of an IPv6 address, and not inside of its groups. */
export function breakableParts(value: string): readonly string[] {
  return value.split(':').length < 3 ? [value] : value.split(/(?<=:)/)
}
