/** What is known of a client beside its address, as its connection shows it or as a back end names it. */

/** A longer `User-Agent` is cut. */
const MAX_USER_AGENT_LENGTH = 256
/** Cloudflare's code for an unknown country. Taken for a country, it would put all such clients into one place. */
const UNKNOWN_COUNTRY: string = 'XX'
/** 32 bits (RFC 6793). */
const MAX_ASN = 0xffff_ffff
const MAX_CITY_LENGTH = 128

/** A country code, or `null` where it says that the country is not known. */
export function knownCountry(code: string | null): string | null {
  return code === UNKNOWN_COUNTRY ? null : code || null
}

/** A `User-Agent` as it is kept, or `null` for none. */
export function keptUserAgent(text: string | null | undefined): string | null {
  return text?.slice(0, MAX_USER_AGENT_LENGTH) || null
}

/** Whether this is the number of a network. */
export function isAsn(number: number): boolean {
  return Number.isInteger(number) && number > 0 && number <= MAX_ASN
}

/** Whether this is a code of ISO 3166-1, or one of Cloudflare's own: `T1` is Tor, and `XX` is unknown. */
export function isCountryCode(text: string): boolean {
  return /^[A-Z][A-Z\d]$/.test(text)
}

/** Whether this can be the name of a city: one line that was read as what it was written as. */
export function isCity(text: string): boolean {
  return text.length <= MAX_CITY_LENGTH && !/[\p{Cc}\p{Zl}\p{Zp}\uFFFD]/u.test(text)
}
