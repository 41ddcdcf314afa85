/** In which language, and in the time of which zone, whoever asks wants to be addressed. */

import type { Context } from 'hono'

import { isLanguage, isTimeZone, type Language } from '../../domain/language.ts'
import type { AppEnv } from '../factory.ts'

/** More languages than a browser lists; a longer list is read no further. */
const MAX_RANGES = 32

/** The language of ours that `Accept-Language` likes best (RFC 9110 section 12.5.4), or `null` where it names none of them. */
export function readLanguage(c: Context<AppEnv>): Language | null {
  return preferredLanguage(c.req.header('Accept-Language') ?? '')
}

/** As `readLanguage`, of the header's text. Of two that are liked equally, the one that stands first. */
export function preferredLanguage(header: string): Language | null {
  let best: { readonly language: Language; readonly weight: number } | null = null
  for (const range of header.split(',', MAX_RANGES)) {
    const match = /^\s*([a-z]{1,8})(?:-[a-z\d]{1,8})*\s*(?:;\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?$/i.exec(range)
    const language = match?.[1]?.toLowerCase() ?? null
    const weight = Number(match?.[2] ?? 1)
    if (isLanguage(language) && weight > (best?.weight ?? 0)) best = { language, weight }
  }
  return best?.language ?? null
}

/** The time zone of a client as Cloudflare knows it, a name of the IANA database that this runtime knows, or `null`. */
export function readTimeZone(c: Context<AppEnv>): string | null {
  const cf = c.req.raw.cf as Partial<IncomingRequestCfProperties> | null | undefined
  const zone = cf?.timezone
  return typeof zone === 'string' && isTimeZone(zone) ? zone : null
}
