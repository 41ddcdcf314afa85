/**
 * What an operator can set. Everything arrives as text from `wrangler.toml`, `.dev.vars` or the dashboard, is
 * parsed once per isolate, and an error names the keys that are wrong, never their values: they may be secrets.
 */

import * as z from 'zod/mini'

import { isLoopback } from './domain/loopback.ts'
import { ALL_SCOPES, type ConfiguredKey, UNNAMED_KEY } from './domain/operators/service-key.ts'
import { LOCATION_POLICIES } from './domain/places/place.ts'
import type { Settings } from './domain/settings.ts'
import { ACCESS_ALGORITHMS, ACCESS_TOKEN_TYPES } from './domain/tokens/token-key.ts'
import {
  AppColor,
  AppName,
  AppUrl,
  BasePath,
  CookieDomain,
  count,
  list,
  LogoUrl,
  NamedKey,
  Origin,
  PublicUrl,
  RsaKey,
  SAMPLE_PREFIX,
  seconds,
  Secret,
  SignInUrl,
  TrustworthyUrl,
} from './setting-kinds.ts'

/**
 * How long an access token has to live at least for the browser of a bound session to keep up: it refreshes when two minutes are left, by six
 * signatures in nine minutes at most, and without a fresh cookie its requests are 401.
 */
const SHORTEST_BOUND_SECONDS = 240

interface Secrets {
  readonly AUTH_SECRET: string
  readonly AUTH_SECRET_PREVIOUS: readonly string[]
  readonly AUTH_SECRET_NEXT?: string | undefined
}

/** The secrets whose tokens are good, and whose public keys are listed, though nothing is signed with them: not any more, or not yet. */
export function verifyingSecretsOf(secrets: Omit<Secrets, 'AUTH_SECRET'>): readonly string[] {
  const { AUTH_SECRET_PREVIOUS: previous, AUTH_SECRET_NEXT: next } = secrets
  return next === undefined ? previous : [next, ...previous]
}

/** Every secret that keys derive from. */
function secretsOf(secrets: Secrets): readonly string[] {
  return [secrets.AUTH_SECRET, ...verifyingSecretsOf(secrets)]
}

const Config = z
  .object({
    AUTH_SECRET: Secret,
    AUTH_SECRET_PREVIOUS: list(Secret),
    AUTH_SECRET_NEXT: z.optional(Secret),
    SERVICE_KEY: z.optional(Secret),
    SERVICE_KEYS: list(NamedKey),
    ISSUE_ACCESS: z.prefault(z.enum(['service', 'open', 'off']), 'service'),
    PUBLIC_URL: z.optional(PublicUrl),
    BASE_PATH: z.optional(BasePath),
    AUDIENCE: z.optional(z.string()),
    ACCESS_TOKEN_TYP: z.prefault(z.enum(ACCESS_TOKEN_TYPES), 'JWT'),
    ACCESS_TOKEN_ALG: z.prefault(z.enum(ACCESS_ALGORITHMS), 'ES256'),
    ACCESS_TOKEN_RSA_KEY: z.optional(RsaKey),
    ACCESS_TOKEN_RSA_KEY_PREVIOUS: list(RsaKey),
    ACCESS_TTL_SECONDS: seconds(10, 86_400, '300'),
    REFRESH_TTL_SECONDS: seconds(60, 34_560_000, '864000'),
    SESSION_MAX_SECONDS: seconds(60, 315_360_000, '7776000'),
    // A sign-in reads as many entries of the index as its account may have sessions.
    SESSIONS_MAX: count(1, 1000, '100'),
    REFRESH_REUSE_SECONDS: seconds(0, 60, '0'),
    PASSWORD_MIN_LENGTH: count(8, 64, '15'),
    PASSWORD_CHECK: z.prefault(z.enum(['off', 'hibp']), 'off'),
    DEVICE_BINDING: z.optional(z.enum(['offer', 'off'])),
    LOCATION_POLICY: z.prefault(z.enum(LOCATION_POLICIES), 'address'),
    COOKIE_DOMAIN: z.optional(CookieDomain),
    COOKIE_SAMESITE: z.prefault(z.enum(['strict', 'lax', 'none']), 'strict'),
    RETURN_ORIGINS: list(Origin),
    CORS_ORIGINS: list(Origin),
    SIGN_IN_URL: z.optional(SignInUrl),
    REGISTRATION: z.prefault(z.enum(['open', 'closed']), 'closed'),
    APP_NAME: z.prefault(AppName, 'Tessera'),
    APP_URL: z.optional(AppUrl),
    APP_LOGO_URL: z.optional(LogoUrl),
    APP_COLOR: z.prefault(AppColor, '#0550ae'),
    MAIL_TRANSPORT: z.prefault(z.enum(['cloudflare', 'api']), 'cloudflare'),
    // An address, or a name and an address; a line break here would be a header of its own.
    MAIL_FROM: z.prefault(
      z.string().check(z.regex(/^[^\r\n]+@[^\r\n]+$/, 'must be an address')),
      'tessera@example.com',
    ),
    MAIL_API_URL: z.optional(TrustworthyUrl),
    // The key goes into a header, and some runtimes print a value that a header cannot carry.
    MAIL_API_KEY: z.optional(z.string().check(z.regex(/^[\x21-\x7e]+$/, 'must be printable ASCII without spaces'))),
  })
  .check(
    z.refine((config) => !(config.ACCESS_TTL_SECONDS > config.REFRESH_TTL_SECONDS), {
      path: ['ACCESS_TTL_SECONDS'],
      message: 'must not be longer than REFRESH_TTL_SECONDS',
    }),
    z.refine((config) => config.MAIL_TRANSPORT !== 'api' || config.MAIL_API_URL !== undefined, {
      path: ['MAIL_API_URL'],
      message: 'is needed by MAIL_TRANSPORT=api',
    }),
    z.refine((config) => config.ACCESS_TOKEN_ALG !== 'RS256' || config.ACCESS_TOKEN_RSA_KEY !== undefined, {
      path: ['ACCESS_TOKEN_RSA_KEY'],
      message: 'is needed by ACCESS_TOKEN_ALG=RS256',
    }),
    // Equal to a secret, the key of the back ends could sign tokens.
    z.refine((config) => !secretsOf(config).includes(config.SERVICE_KEY ?? ''), {
      path: ['SERVICE_KEY'],
      message: 'must not be AUTH_SECRET, AUTH_SECRET_NEXT, or one of AUTH_SECRET_PREVIOUS',
    }),
    z.refine((config) => !config.SERVICE_KEYS.some(({ key }) => secretsOf(config).includes(key)), {
      path: ['SERVICE_KEYS'],
      message: 'must not have AUTH_SECRET, AUTH_SECRET_NEXT, or one of AUTH_SECRET_PREVIOUS',
    }),
    // The ledger says which key acted: two names of one key, or two keys of one name, would make that a guess.
    z.refine(
      (config) => {
        const keys = serviceKeysOf(config)
        return [keys.map(({ name }) => name), keys.map(({ key }) => key)].every(
          (all) => new Set(all).size === all.length,
        )
      },
      {
        path: ['SERVICE_KEYS'],
        message: 'must have each name and each key once, and not the one of SERVICE_KEY',
      },
    ),
    z.refine((config) => config.ISSUE_ACCESS !== 'open' || isLocal(config.PUBLIC_URL), {
      path: ['ISSUE_ACCESS'],
      message:
        'must not be open under a public PUBLIC_URL: anybody could be anybody. Locally, write `PUBLIC_URL=` into .dev.vars',
    }),
    // Cookies go along with the requests of every site, and are of use to the listed ones alone.
    z.refine((config) => config.COOKIE_SAMESITE !== 'none' || config.CORS_ORIGINS.length > 0, {
      path: ['COOKIE_SAMESITE'],
      message: 'must not be none without CORS_ORIGINS, the origins that it is for',
    }),
    // A browser drops a cookie whose domain is not above the host that sets it, and nobody could sign in.
    z.refine(({ COOKIE_DOMAIN, PUBLIC_URL }) => COOKIE_DOMAIN === undefined || isBelow(PUBLIC_URL, COOKIE_DOMAIN), {
      path: ['COOKIE_DOMAIN'],
      message: 'must be the host of PUBLIC_URL, or a parent of it',
    }),
  )

export type Config = z.output<typeof Config>

/** The name of everything that can be set. */
export const CONFIG_KEYS: readonly string[] = Object.keys(Config.shape)

/** A configuration that cannot be used. The message is one line that names keys and reasons, never values. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** Reads the configuration out of the Worker's bindings. Throws `ConfigError`. */
export function parseConfig(bindings: object): Config {
  // An empty value counts as not set, since a dashboard cannot tell the two apart.
  const set = Object.fromEntries(Object.entries(bindings).filter(([, value]) => value !== ''))
  const result = Config.safeParse(set)
  if (result.success) return result.data
  const reasons = result.error.issues.map((issue) => `${issue.path.join('.')} ${reason(issue, set)}`)
  throw new ConfigError(`Configuration: ${reasons.join('; ')}`)
}

/** Every service key, by name. The one of `SERVICE_KEY` may do everything. */
export function serviceKeysOf({
  SERVICE_KEY: key,
  SERVICE_KEYS: named,
}: {
  readonly SERVICE_KEY?: string | undefined
  readonly SERVICE_KEYS: readonly ConfiguredKey[]
}): readonly ConfiguredKey[] {
  return key === undefined ? named : [{ name: UNNAMED_KEY, may: ALL_SCOPES, key }, ...named]
}

/** What rules and routes may know of a configuration. */
export function settingsOf(config: Config): Settings {
  return {
    issueAccess: config.ISSUE_ACCESS,
    publicUrl: config.PUBLIC_URL,
    basePath: config.BASE_PATH ?? '',
    audience: config.AUDIENCE,
    accessTtlSeconds: config.ACCESS_TTL_SECONDS,
    refreshTtlSeconds: config.REFRESH_TTL_SECONDS,
    sessionMaxSeconds: config.SESSION_MAX_SECONDS,
    sessionsMax: config.SESSIONS_MAX,
    refreshReuseSeconds: config.REFRESH_REUSE_SECONDS,
    passwordMinLength: config.PASSWORD_MIN_LENGTH,
    passwordCheck: config.PASSWORD_CHECK,
    deviceBinding: config.DEVICE_BINDING ?? (config.ACCESS_TTL_SECONDS < SHORTEST_BOUND_SECONDS ? 'off' : 'offer'),
    locationPolicy: config.LOCATION_POLICY,
    cookieDomain: config.COOKIE_DOMAIN,
    cookieSameSite: config.COOKIE_SAMESITE,
    returnOrigins: config.RETURN_ORIGINS,
    corsOrigins: new Set(config.CORS_ORIGINS),
    signInUrl: config.SIGN_IN_URL,
    app: {
      name: config.APP_NAME,
      url: config.APP_URL,
      logoUrl: config.APP_LOGO_URL,
      color: config.APP_COLOR,
    },
    registration: config.REGISTRATION,
  }
}

/** What stands before every path, or `''`. Known also where nothing else of a configuration can be used, or its health would be lost. */
export function basePathOf(bindings: object): string {
  return BasePath.safeParse('BASE_PATH' in bindings ? bindings.BASE_PATH : undefined).data ?? ''
}

function reason(issue: z.core.$ZodIssue, set: object): string {
  const key = String(issue.path[0])
  if (key === 'AUTH_SECRET' && !(key in set)) {
    return 'is missing. Locally, run `npm start` once: it writes .dev.vars; deployed, run `npx wrangler secret put AUTH_SECRET`'
  }
  return issue.message
}

function isLocal(publicUrl: string | undefined): boolean {
  return publicUrl === undefined || isLoopback(new URL(publicUrl).hostname)
}

function isBelow(publicUrl: string | undefined, domain: string): boolean {
  const host = publicUrl === undefined ? '' : new URL(publicUrl).hostname
  return host === domain || host.endsWith(`.${domain}`)
}

/** The secrets that a deployment was never given, by name. None when it cannot start for another reason. */
export function unsetSecrets(bindings: Pick<Partial<Env>, 'AUTH_SECRET' | 'SERVICE_KEY'>): readonly string[] {
  const authSecret = bindings.AUTH_SECRET?.trim() ?? ''
  const serviceKey = bindings.SERVICE_KEY?.trim() ?? ''
  const isServiceKeySample = serviceKey.startsWith(SAMPLE_PREFIX)
  // A missing service key alone is no mistake: a deployment may do without one.
  if (authSecret !== '' && !authSecret.startsWith(SAMPLE_PREFIX)) return isServiceKeySample ? ['SERVICE_KEY'] : []
  return serviceKey === '' || isServiceKeySample ? ['AUTH_SECRET', 'SERVICE_KEY'] : ['AUTH_SECRET']
}
