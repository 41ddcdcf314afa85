/** What a test may set of Tessera: everything that an operator can, but for secrets, and for what the kit decides itself. */

import { generateKeyPairSync } from 'node:crypto'

import { newTestSecret, SECRET_SETTINGS } from './secrets.ts'

/** The settings of docs/configuration.md that are free in a test. */
export const SETTINGS = [
  'ISSUE_ACCESS',
  'BASE_PATH',
  'AUDIENCE',
  'ACCESS_TOKEN_TYP',
  'ACCESS_TOKEN_ALG',
  'ACCESS_TTL_SECONDS',
  'REFRESH_TTL_SECONDS',
  'SESSION_MAX_SECONDS',
  'SESSIONS_MAX',
  'REFRESH_REUSE_SECONDS',
  'PASSWORD_MIN_LENGTH',
  'PASSWORD_CHECK',
  'DEVICE_BINDING',
  'LOCATION_POLICY',
  'COOKIE_SAMESITE',
  'RETURN_ORIGINS',
  'CORS_ORIGINS',
  'SIGN_IN_URL',
  'REGISTRATION',
  'APP_NAME',
  'APP_URL',
  'APP_LOGO_URL',
  'APP_COLOR',
  'MAIL_FROM',
] as const

/** Those that the kit decides, and why. */
export const KEPT_SETTINGS = {
  PUBLIC_URL: 'a test asks Tessera on this machine, under the url that startTessera gives',
  COOKIE_DOMAIN: 'a browser takes no cookie for the domain of this machine',
  MAIL_TRANSPORT: 'mails are read by lastMail, and go nowhere else',
  MAIL_API_URL: 'mails are read by lastMail, and go nowhere else',
} as const

export type SettingName = (typeof SETTINGS)[number]

/** Settings by the names that docs/configuration.md has for them. A list is what an operator writes with commas. */
export type Settings = Readonly<Partial<Record<SettingName, string | number | readonly string[]>>>

/** Where the mails of Tessera go. The name is reserved (RFC 6761), and nothing of the kit leaves the machine. */
export const MAIL_URL = 'https://mails.test/'

/** The secrets and settings of a start, as the Worker gets them. Throws for what may not be set, by its name. */
export function toBindings(settings: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  for (const name of Object.keys(settings)) requireFree(name)
  const { ACCESS_TOKEN_ALG: algorithm } = settings
  return {
    ...Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, String(value)])),
    AUTH_SECRET: newTestSecret(),
    SERVICE_KEY: newTestSecret(),
    MAIL_TRANSPORT: 'api',
    MAIL_API_URL: MAIL_URL,
    ...(algorithm === 'RS256' && { ACCESS_TOKEN_RSA_KEY: newRsaKey() }),
  }
}

function requireFree(name: string): void {
  const kept: Readonly<Record<string, string>> = { ...SECRET_SETTINGS, ...KEPT_SETTINGS }
  if (Object.hasOwn(SECRET_SETTINGS, name)) {
    throw new Error(`tessera/testing makes its own secrets, and takes no ${name}: ${kept[name]}`)
  }
  if (Object.hasOwn(kept, name)) throw new Error(`tessera/testing decides ${name} itself: ${kept[name]}`)
  if (!SETTINGS.some((one) => one === name)) {
    throw new Error(`Tessera has no setting ${name}; tessera/testing takes ${SETTINGS.join(', ')}`)
  }
}

/** Only a test that asks for RS256 waits for its primes. */
function newRsaKey(): string {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}
