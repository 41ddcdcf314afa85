/**
 * The kinds of text that a setting may be: what each accepts, and what it becomes. A message says what a value has to be, and never
 * repeats it: it may be a secret.
 */

import { en } from 'zod/locales'
import * as z from 'zod/mini'

import { contrast, MINIMUM_CONTRAST } from './domain/color.ts'
import { isLoopback } from './domain/loopback.ts'
import {
  ALL_SCOPES,
  type ConfiguredKey,
  SERVICE_SCOPES,
  type ServiceScope,
  UNNAMED_KEY,
} from './domain/operators/service-key.ts'
import { NOT_PKCS8, type Pkcs8, readPkcs8, WRONG_SIZE } from './domain/tokens/rsa-key.ts'
import { readReturnAddress } from './domain/return-address.ts'

// zod/mini has no messages until it is given a language.
z.config(en())

/** 32 random bytes are 43 characters of base64. In hex they are 64, which passes too. */
const MIN_SECRET_LENGTH = 43
/** The samples of `.dev.vars.example` start like this: a deployment that kept them must not start. */
export const SAMPLE_PREFIX = 'replace-me'

export const Secret = z.string().check(
  z.trim(),
  z.minLength(MIN_SECRET_LENGTH, `needs at least ${MIN_SECRET_LENGTH} characters: 32 random bytes, base64 or hex`),
  z.refine((text) => !text.startsWith(SAMPLE_PREFIX), 'is still the sample'),
  // A repeated character or word is long without being random, and has few different characters.
  z.refine((text) => new Set(text).size >= 12, 'is not random'),
)

/** `name=key`, or `name:scope+scope=key`: a service key by its name, and what it may do where that is not everything. */
export const NamedKey = z.pipe(
  z.pipe(
    z.string().check(
      z.refine((text) => NAMED_KEY.test(text), {
        message: 'must be name=key or name:scope+scope=key, comma-separated; names are of a-z, 0-9 and -',
        abort: true,
      }),
      z.refine((text) => scopesIn(text).every(isScope), {
        message: `has a scope that is none of ${Object.keys(SERVICE_SCOPES).join(', ')}`,
        abort: true,
      }),
      z.refine((text) => NAMED_KEY.exec(text)?.[1] !== UNNAMED_KEY, {
        message: `must not name a key ${UNNAMED_KEY}: that is SERVICE_KEY`,
        abort: true,
      }),
    ),
    z.transform(toNamedKey),
  ),
  z.object({ name: z.string(), may: z.custom<ConfiguredKey['may']>(), key: Secret }),
)

const NAMED_KEY = /^([a-z\d][a-z\d-]{0,31})(?::([a-z+]+))?=(.+)$/

function scopesIn(text: string): readonly string[] {
  return NAMED_KEY.exec(text)?.[2]?.split('+') ?? []
}

function isScope(text: string): text is ServiceScope {
  return Object.hasOwn(SERVICE_SCOPES, text)
}

function toNamedKey(text: string): ConfiguredKey {
  const [, name = '', , key = ''] = NAMED_KEY.exec(text) ?? []
  const scopes = scopesIn(text)
  return { name, may: scopes.length === 0 ? ALL_SCOPES : new Set(scopes.filter(isScope)), key }
}

/** An RSA private key for signatures; what it becomes is its DER. */
export const RsaKey = z.pipe(
  z.pipe(z.string(), z.transform(readPkcs8)),
  z.custom<Pkcs8>().check(
    z.refine((key: unknown) => key !== NOT_PKCS8, { message: NOT_PKCS8, abort: true }),
    z.refine((key: unknown) => key !== WRONG_SIZE, WRONG_SIZE),
  ),
)

/** Whole seconds between two bounds. */
export function seconds(min: number, max: number, fallback: string) {
  return whole('must be a whole number of seconds', min, max, fallback)
}

/** A whole number between two bounds. */
export function count(min: number, max: number, fallback: string) {
  return whole('must be a whole number', min, max, fallback)
}

function whole(message: string, min: number, max: number, fallback: string) {
  const parsed = z.pipe(z.string().check(z.regex(/^\d{1,9}$/, message)), z.transform(Number))
  const bounded = z.number().check(z.minimum(min, `must be at least ${min}`), z.maximum(max, `must be at most ${max}`))
  return z.prefault(z.pipe(parsed, bounded), fallback)
}

/** `https` anywhere; `http` on this machine only. */
export const TrustworthyUrl = z
  .string()
  .check(z.refine(isTrustworthyUrl, { message: 'must be an https URL', abort: true }))

/** A URL, or a bare host as dashboards show it; what it becomes is an origin. */
export const PublicUrl = z.pipe(
  z.pipe(z.string(), z.transform(toUrl)),
  z.pipe(
    z.string().check(z.refine(isPublicUrl, { message: 'must be a host or an https URL', abort: true })),
    z.transform((text) => new URL(text).origin),
  ),
)

/** A list with commas between its entries; none is an empty one. */
export function list<Entry extends z.ZodMiniType<unknown, string>>(entry: Entry) {
  return z.prefault(z.pipe(z.pipe(z.string(), z.transform(splitList)), z.array(entry)), '')
}

function splitList(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)
}

/** A scheme, a host and perhaps a port. A URL's host may have other characters, such as the `*` of a pattern. */
const ORIGIN = /^https?:\/\/([\w-]+(\.[\w-]+)*|\[[\da-f:]+\])(:\d+)?$/

/** An origin to the letter, as browsers write it (RFC 6454 section 6.1): no path, no pattern, no `null`. */
export const Origin = z
  .string()
  .check(
    z.refine(
      (text) => ORIGIN.test(text) && isTrustworthyUrl(text) && new URL(text).origin === text,
      'must be origins such as https://app.example.com',
    ),
  )

/** Below these anybody may have a name, so that browsers refuse a cookie for all of it. Their own list has thousands more. */
const PUBLIC_SUFFIXES: ReadonlySet<string> = new Set(
  (
    'workers.dev pages.dev co.uk org.uk com.au net.au co.nz co.za co.jp co.kr co.in co.il ' +
    'com.br com.mx com.ar com.tr com.cn com.tw com.hk com.sg com.pl com.ua'
  ).split(' '),
)

/** A domain below which hosts share a cookie (RFC 6265 section 5.2.3), as browsers compare it: without the dot before it. */
export const CookieDomain = z.pipe(
  z.pipe(z.string(), z.transform(toHostname)),
  z.string().check(
    // An address has no parent, and a browser refuses a cookie for a single label.
    z.refine((text) => /^(?:[a-z\d](?:[a-z\d-]*[a-z\d])?\.)+[a-z](?:[a-z\d-]*[a-z\d])?$/.test(text), {
      message: 'must be a domain such as example.com',
      abort: true,
    }),
    z.refine((text) => !PUBLIC_SUFFIXES.has(text), {
      message: 'must not be a public suffix: browsers refuse a cookie for all of it',
      abort: true,
    }),
  ),
)

/** A name for people: it stands in pages, in subjects of mails, and beside the address of their sender. */
export const AppName = z.string().check(
  z.trim(),
  z.maxLength(60, 'must have at most 60 characters'),
  z.refine((text) => !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text), 'must be one line, without control characters'),
)

/** Where people go on to. */
export const AppUrl = z.string().check(z.refine(isPlainUrl, 'must be an https URL'))

/** An image that pages and mails load. Browsers and mail programs load none over http. */
export const LogoUrl = z
  .string()
  .check(z.refine((text) => isPlainUrl(text) && text.startsWith('https://'), 'must be an https URL'))

/** The colour of buttons, below white text. */
export const AppColor = z.string().check(
  z.refine((text) => /^#[\da-f]{6}$/i.test(text), { message: 'must be a colour such as #0550ae', abort: true }),
  z.refine(
    (text) => contrast(text, '#ffffff') >= MINIMUM_CONTRAST,
    `must be darker: white text on it needs a contrast of ${MINIMUM_CONTRAST}:1 (WCAG 2.2, 1.4.3)`,
  ),
)

/** A path that others stand below, without a slash at its end; `/` alone is none. */
export const BasePath = z.string().check(
  z.trim(),
  z.refine((text) => /^(?:\/(?!\.\.?(?:\/|$))[\w.~-]+)+\/?$|^\/$/.test(text), 'must be a path such as /auth-service'),
  z.overwrite((text) => text.replace(/\/$/, '')),
)

/** A path of this host, or a URL, as browsers write either. */
export const SignInUrl = z.string().check(z.refine(isSignInUrl, 'must be a path, or an https URL'))

function isSignInUrl(text: string): boolean {
  if (text.startsWith('/')) return readReturnAddress(text, { origin: 'https://localhost', returnOrigins: [] }) !== null
  return isPlainUrl(text)
}

function isPlainUrl(text: string): boolean {
  return !/\s/.test(text) && isPublicUrl(text)
}

/** `https` anywhere; `http` on this machine only, since both carry secrets. */
function isTrustworthyUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname } = new URL(text)
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname))
}

/** A bare host with its scheme before it. What is neither a host nor a URL stays what it is. */
function toUrl(text: string): string {
  const trimmed = text.trim()
  const host = /^([^/?#@:\s]+|\[[\da-f:]+\])(:\d+)?\/?$/i.exec(trimmed)?.[1]
  if (host === undefined) return trimmed
  if (isLoopback(host)) return `http://${trimmed}`
  // A host without a dot is a slip: no public address has such a name.
  return host.includes('.') ? `https://${trimmed}` : trimmed
}

/** A name in the form that a URL has it: small letters, international ones as `xn--`. What is no name stays what it is. */
function toHostname(text: string): string {
  const name = text.trim().replace(/^\./, '')
  return /^[^\s/\\?#@:%]+$/.test(name) && URL.canParse(`https://${name}`) ? new URL(`https://${name}`).hostname : name
}

/** Whether a URL may be `PUBLIC_URL`: one with a user name or a password would carry those into every token and mail. */
function isPublicUrl(text: string): boolean {
  if (!isTrustworthyUrl(text)) return false
  const { username, password } = new URL(text)
  return username === '' && password === ''
}
