/** What an operator can set, and what is said of what cannot be used. */

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { basePathOf, type Config, ConfigError, parseConfig } from '../../src/config.ts'
import { ALL_SCOPES } from '../../src/domain/operators/service-key.ts'
import { newRsaKey, toPem } from '../support/rsa.ts'

const SECRET = 'jB1w0cVq4mS7tYp2Ke9Zr5Xn8Ld3Gh6Fa0Uo1Ii2Ss4Q='

const OTHER_SECRET = 'Old7w0cVq4mS7tYp2Ke9Zr5Xn8Ld3Gh6Fa0Uo1Ii2Ss4Q='

const HEX_SECRET = '00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210'

const [RSA_KEY, OTHER_RSA_KEY, SHORT_RSA_KEY] = await Promise.all([newRsaKey(), newRsaKey(), newRsaKey(1024)])

function der(base64: string): Uint8Array {
  return new Uint8Array(Buffer.from(base64, 'base64'))
}

/** The message of the refusal. */
function refusal(bindings: object): string {
  try {
    parseConfig(bindings)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    expect(error.name).toBe('ConfigError')
    return error.message
  }
  throw new Error('not refused')
}

describe('the configuration', () => {
  const DEFAULTS: Partial<Config> = {
    AUTH_SECRET: SECRET,
    AUTH_SECRET_PREVIOUS: [],
    SERVICE_KEYS: [],
    ACCESS_TOKEN_TYP: 'JWT',
    ACCESS_TOKEN_ALG: 'ES256',
    ACCESS_TOKEN_RSA_KEY_PREVIOUS: [],
    ISSUE_ACCESS: 'service',
    ACCESS_TTL_SECONDS: 300,
    REFRESH_TTL_SECONDS: 864_000,
    SESSION_MAX_SECONDS: 7_776_000,
    SESSIONS_MAX: 100,
    REFRESH_REUSE_SECONDS: 0,
    PASSWORD_MIN_LENGTH: 15,
    PASSWORD_CHECK: 'off',
    LOCATION_POLICY: 'address',
    COOKIE_SAMESITE: 'strict',
    RETURN_ORIGINS: [],
    CORS_ORIGINS: [],
    REGISTRATION: 'closed',
    APP_NAME: 'Tessera',
    APP_COLOR: '#0550ae',
    MAIL_TRANSPORT: 'cloudflare',
    MAIL_FROM: 'tessera@example.com',
  }
  const KEYS = [
    'AUTH_SECRET_PREVIOUS',
    'AUTH_SECRET_NEXT',
    'SERVICE_KEY',
    'SERVICE_KEYS',
    'ISSUE_ACCESS',
    'PUBLIC_URL',
    'BASE_PATH',
    'AUDIENCE',
    'ACCESS_TOKEN_TYP',
    'ACCESS_TOKEN_ALG',
    'ACCESS_TOKEN_RSA_KEY',
    'ACCESS_TOKEN_RSA_KEY_PREVIOUS',
    'ACCESS_TTL_SECONDS',
    'REFRESH_TTL_SECONDS',
    'SESSION_MAX_SECONDS',
    'SESSIONS_MAX',
    'REFRESH_REUSE_SECONDS',
    'PASSWORD_MIN_LENGTH',
    'PASSWORD_CHECK',
    'LOCATION_POLICY',
    'COOKIE_DOMAIN',
    'COOKIE_SAMESITE',
    'RETURN_ORIGINS',
    'CORS_ORIGINS',
    'SIGN_IN_URL',
    'REGISTRATION',
    'APP_NAME',
    'APP_URL',
    'APP_LOGO_URL',
    'APP_COLOR',
    'MAIL_TRANSPORT',
    'MAIL_FROM',
    'MAIL_API_URL',
    'MAIL_API_KEY',
  ] as const

  test('needs one secret, and has a default for everything else', () => {
    expect(parseConfig({ AUTH_SECRET: SECRET })).toEqual(DEFAULTS)
  })

  test('takes an empty value for none, since a dashboard cannot tell them apart', () => {
    const empty = Object.fromEntries(KEYS.map((key) => [key, '']))
    expect(parseConfig({ ...empty, AUTH_SECRET: SECRET })).toEqual(DEFAULTS)
  })

  test('leaves the other bindings alone', () => {
    expect(parseConfig({ AUTH_SECRET: SECRET, DB: {}, MAIL_QUEUE: () => {}, auth_secret: 1 })).toEqual(DEFAULTS)
  })

  test.each([
    ['AUTH_SECRET', HEX_SECRET, HEX_SECRET],
    ['AUTH_SECRET', `  ${SECRET}\n`, SECRET],
    ['AUTH_SECRET', SECRET.slice(0, 43), SECRET.slice(0, 43)],
    ['AUTH_SECRET_PREVIOUS', OTHER_SECRET, [OTHER_SECRET]],
    ['AUTH_SECRET_PREVIOUS', ` ${OTHER_SECRET} ,${HEX_SECRET}`, [OTHER_SECRET, HEX_SECRET]],
    ['AUTH_SECRET_PREVIOUS', ` , ${OTHER_SECRET},`, [OTHER_SECRET]],
    ['AUTH_SECRET_PREVIOUS', ' ', []],
    ['AUTH_SECRET_NEXT', ` ${OTHER_SECRET}\n`, OTHER_SECRET],
    ['SERVICE_KEY', OTHER_SECRET, OTHER_SECRET],
    ['SERVICE_KEYS', `web=${OTHER_SECRET}`, [{ name: 'web', may: ALL_SCOPES, key: OTHER_SECRET }]],
    [
      'SERVICE_KEYS',
      ` web-2:issue=${OTHER_SECRET} ,panel:admin+introspect=${HEX_SECRET},`,
      [
        { name: 'web-2', may: new Set(['issue']), key: OTHER_SECRET },
        { name: 'panel', may: new Set(['admin', 'introspect']), key: HEX_SECRET },
      ],
    ],
    ['ISSUE_ACCESS', 'service', 'service'],
    ['ISSUE_ACCESS', 'open', 'open'],
    ['ISSUE_ACCESS', 'off', 'off'],
    ['PUBLIC_URL', 'https://auth.example.com', 'https://auth.example.com'],
    ['PUBLIC_URL', 'https://AUTH.example.com/', 'https://auth.example.com'],
    ['PUBLIC_URL', 'https://auth.example.com:8443/x?y', 'https://auth.example.com:8443'],
    ['PUBLIC_URL', 'auth.example.com', 'https://auth.example.com'],
    ['PUBLIC_URL', ' AUTH.example.com\n', 'https://auth.example.com'],
    ['PUBLIC_URL', 'auth.example.com:8443', 'https://auth.example.com:8443'],
    ['PUBLIC_URL', 'auth.example.com:443', 'https://auth.example.com'],
    ['PUBLIC_URL', 'auth.example.com/', 'https://auth.example.com'],
    ['PUBLIC_URL', 'tessera.example.workers.dev', 'https://tessera.example.workers.dev'],
    ['PUBLIC_URL', 'bücher.example', 'https://xn--bcher-kva.example'],
    ['PUBLIC_URL', 'localhost:8787', 'http://localhost:8787'],
    ['PUBLIC_URL', 'auth.localhost', 'http://auth.localhost'],
    ['PUBLIC_URL', '127.0.0.1:8787', 'http://127.0.0.1:8787'],
    ['PUBLIC_URL', '[::1]:8787', 'http://[::1]:8787'],
    ['PUBLIC_URL', 'http://localhost:8787', 'http://localhost:8787'],
    ['PUBLIC_URL', 'http://127.0.0.1:8787', 'http://127.0.0.1:8787'],
    ['PUBLIC_URL', 'http://[::1]:8787', 'http://[::1]:8787'],
    ['BASE_PATH', '/auth-service', '/auth-service'],
    ['BASE_PATH', ' /auth-service/ ', '/auth-service'],
    ['BASE_PATH', '/api/v1.0/~auth_', '/api/v1.0/~auth_'],
    ['BASE_PATH', '/...', '/...'],
    ['BASE_PATH', '/', ''],
    ['AUDIENCE', 'https://api.example.com', 'https://api.example.com'],
    ['ACCESS_TOKEN_TYP', 'at+jwt', 'at+jwt'],
    ['ACCESS_TOKEN_ALG', 'ES256', 'ES256'],
    ['ACCESS_TOKEN_RSA_KEY', RSA_KEY, der(RSA_KEY)],
    ['ACCESS_TOKEN_RSA_KEY', toPem(RSA_KEY), der(RSA_KEY)],
    ['ACCESS_TOKEN_RSA_KEY_PREVIOUS', RSA_KEY, [der(RSA_KEY)]],
    ['ACCESS_TOKEN_RSA_KEY_PREVIOUS', `${toPem(OTHER_RSA_KEY)}, ${RSA_KEY}`, [der(OTHER_RSA_KEY), der(RSA_KEY)]],
    ['ACCESS_TTL_SECONDS', '10', 10],
    ['ACCESS_TTL_SECONDS', '86400', 86_400],
    ['REFRESH_TTL_SECONDS', '300', 300],
    ['REFRESH_TTL_SECONDS', '34560000', 34_560_000],
    ['SESSION_MAX_SECONDS', '60', 60],
    ['SESSION_MAX_SECONDS', '315360000', 315_360_000],
    ['SESSIONS_MAX', '1', 1],
    ['SESSIONS_MAX', '1000', 1000],
    ['REFRESH_REUSE_SECONDS', '0', 0],
    ['REFRESH_REUSE_SECONDS', '60', 60],
    ['PASSWORD_MIN_LENGTH', '8', 8],
    ['PASSWORD_MIN_LENGTH', '64', 64],
    ['PASSWORD_CHECK', 'off', 'off'],
    ['PASSWORD_CHECK', 'hibp', 'hibp'],
    ['LOCATION_POLICY', 'address', 'address'],
    ['LOCATION_POLICY', 'subnet', 'subnet'],
    ['LOCATION_POLICY', 'asn', 'asn'],
    ['LOCATION_POLICY', 'country', 'country'],
    ['LOCATION_POLICY', 'off', 'off'],
    ['COOKIE_SAMESITE', 'strict', 'strict'],
    ['COOKIE_SAMESITE', 'lax', 'lax'],
    ['CORS_ORIGINS', 'https://app.example.com', ['https://app.example.com']],
    [
      'CORS_ORIGINS',
      ' https://app.example.com:8443 ,http://localhost:5173,https://xn--bcher-kva.example,',
      ['https://app.example.com:8443', 'http://localhost:5173', 'https://xn--bcher-kva.example'],
    ],
    ['CORS_ORIGINS', 'http://[::1]:5173,http://127.0.0.1', ['http://[::1]:5173', 'http://127.0.0.1']],
    ['MAIL_TRANSPORT', 'cloudflare', 'cloudflare'],
    ['MAIL_FROM', 'auth@example.com', 'auth@example.com'],
    ['MAIL_FROM', 'Näme <auth@example.com>', 'Näme <auth@example.com>'],
    ['MAIL_API_URL', 'https://api.example.com/emails', 'https://api.example.com/emails'],
    ['MAIL_API_URL', 'http://localhost:9999/emails', 'http://localhost:9999/emails'],
    ['MAIL_API_KEY', 're_123', 're_123'],
  ])('%s takes %j', (key, text, value) => {
    expect(parseConfig({ AUTH_SECRET: SECRET, [key]: text })).toEqual({ ...DEFAULTS, [key]: value })
  })

  const pkcs8 = 'must be an RSA private key in PKCS#8, as PEM (BEGIN PRIVATE KEY) or its base64 alone'
  const short = 'needs at least 43 characters: 32 random bytes, base64 or hex'
  const namedKey = 'must be name=key or name:scope+scope=key, comma-separated; names are of a-z, 0-9 and -'
  const url = 'must be an https URL'
  const address = 'must be a host or an https URL'
  const domain = 'must be a domain such as example.com'
  const publicSuffix = 'must not be a public suffix: browsers refuse a cookie for all of it'
  const wholeSeconds = 'must be a whole number of seconds'

  test.each([
    ['AUTH_SECRET', SECRET.slice(0, 42), short],
    ['AUTH_SECRET', `${SECRET.slice(0, 42)}      `, short],
    ['AUTH_SECRET', 'a'.repeat(64), 'is not random'],
    ['AUTH_SECRET', 'correct'.repeat(10), 'is not random'],
    ['AUTH_SECRET', '0123456789a'.repeat(5), 'is not random'],
    ['AUTH_SECRET', 'replace-me-with-the-output-of-openssl-rand-base64-32', 'is still the sample'],
    ['AUTH_SECRET', 7, 'Invalid input: expected string, received number'],
    ['AUTH_SECRET', null, 'Invalid input: expected string, received null'],
    ['SERVICE_KEY', 'short-service-key-1', short],
    ['SERVICE_KEY', 'replace-me-or-leave-empty-openssl-rand-base64-32', 'is still the sample'],
    ['SERVICE_KEY', 'secret'.repeat(10), 'is not random'],
    ['SERVICE_KEYS.0', OTHER_SECRET.replaceAll('=', ''), namedKey],
    ['SERVICE_KEYS.0', `Web=${OTHER_SECRET}`, namedKey],
    ['SERVICE_KEYS.0', `=${OTHER_SECRET}`, namedKey],
    ['SERVICE_KEYS.0', `${'a'.repeat(33)}=${OTHER_SECRET}`, namedKey],
    ['SERVICE_KEYS.0', `web:=${OTHER_SECRET}`, namedKey],
    ['SERVICE_KEYS.0', `web:everything=${OTHER_SECRET}`, 'has a scope that is none of issue, introspect, admin'],
    ['SERVICE_KEYS.0', `web:toString=${OTHER_SECRET}`, namedKey],
    ['SERVICE_KEYS.0', `web:valueof=${OTHER_SECRET}`, 'has a scope that is none of issue, introspect, admin'],
    ['SERVICE_KEYS.0', `service=${OTHER_SECRET}`, 'must not name a key service: that is SERVICE_KEY'],
    ['SERVICE_KEYS.0.key', 'web=short-service-key-1', short],
    ['SERVICE_KEYS.0.key', 'web=replace-me-with-32-random-bytes-in-base64-or-hex', 'is still the sample'],
    ['ISSUE_ACCESS', 'everyone', 'Invalid option: expected one of "service"|"open"|"off"'],
    ['ISSUE_ACCESS', 'OPEN', 'Invalid option: expected one of "service"|"open"|"off"'],
    ['PUBLIC_URL', 'http://auth.example.com', address],
    ['PUBLIC_URL', 'http://localhost.example.com', address],
    ['PUBLIC_URL', 'http://127.0.0.1.example.com', address],
    ['PUBLIC_URL', 'http://localhost@example.com', address],
    ['PUBLIC_URL', 'https://localhost@example.com', address],
    ['PUBLIC_URL', 'https://:secret@example.com', address],
    ['PUBLIC_URL', 'localhost@example.com', address],
    ['PUBLIC_URL', 'http://notlocalhost', address],
    ['PUBLIC_URL', 'javascript:alert(1)', address],
    ['PUBLIC_URL', 'mailto:auth@example.com', address],
    ['PUBLIC_URL', 'ftp://auth.example.com', address],
    ['PUBLIC_URL', '//auth.example.com', address],
    ['PUBLIC_URL', 'auth', address],
    ['PUBLIC_URL', 'true', address],
    ['PUBLIC_URL', '7', address],
    ['PUBLIC_URL', 'auth.example.com, id.example.com', address],
    ['PUBLIC_URL', ' ', address],
    ['PUBLIC_URL', 7, 'Invalid input: expected string, received number'],
    ['BASE_PATH', 7, 'Invalid input: expected string, received number'],
    ['AUDIENCE', 7, 'Invalid input: expected string, received number'],
    ['ACCESS_TOKEN_TYP', 'jwt', 'Invalid option: expected one of "JWT"|"at+jwt"'],
    ['ACCESS_TOKEN_ALG', 'HS256', 'Invalid option: expected one of "ES256"|"RS256"'],
    ['ACCESS_TOKEN_RSA_KEY', SECRET, pkcs8],
    ['ACCESS_TOKEN_RSA_KEY', RSA_KEY.slice(0, -8), pkcs8],
    ['ACCESS_TOKEN_RSA_KEY', SHORT_RSA_KEY, 'must be a key of 2048 to 4096 bits'],
    ['ACCESS_TOKEN_RSA_KEY', 7, 'Invalid input: expected string, received number'],
    ['ACCESS_TTL_SECONDS', '9', 'must be at least 10'],
    ['ACCESS_TTL_SECONDS', '86401', 'must be at most 86400'],
    ['ACCESS_TTL_SECONDS', '5m', wholeSeconds],
    ['ACCESS_TTL_SECONDS', '-300', wholeSeconds],
    ['ACCESS_TTL_SECONDS', '300.5', wholeSeconds],
    ['ACCESS_TTL_SECONDS', '3e2', wholeSeconds],
    ['ACCESS_TTL_SECONDS', '0x12c', wholeSeconds],
    ['ACCESS_TTL_SECONDS', ' 300', wholeSeconds],
    ['ACCESS_TTL_SECONDS', '300\n', wholeSeconds],
    ['ACCESS_TTL_SECONDS', '1000000000', wholeSeconds],
    ['ACCESS_TTL_SECONDS', 300, 'Invalid input: expected string, received number'],
    ['REFRESH_TTL_SECONDS', '59', 'must be at least 60'],
    ['REFRESH_TTL_SECONDS', '34560001', 'must be at most 34560000'],
    ['REFRESH_TTL_SECONDS', 'never', wholeSeconds],
    ['SESSION_MAX_SECONDS', '59', 'must be at least 60'],
    ['SESSION_MAX_SECONDS', '315360001', 'must be at most 315360000'],
    ['SESSION_MAX_SECONDS', 'never', wholeSeconds],
    ['SESSIONS_MAX', '0', 'must be at least 1'],
    ['SESSIONS_MAX', '1001', 'must be at most 1000'],
    ['SESSIONS_MAX', 'many', 'must be a whole number'],
    ['REFRESH_REUSE_SECONDS', '61', 'must be at most 60'],
    ['REFRESH_REUSE_SECONDS', '-1', wholeSeconds],
    ['PASSWORD_MIN_LENGTH', '7', 'must be at least 8'],
    ['PASSWORD_MIN_LENGTH', '65', 'must be at most 64'],
    ['PASSWORD_MIN_LENGTH', '15.0', 'must be a whole number'],
    ['PASSWORD_CHECK', 'on', 'Invalid option: expected one of "off"|"hibp"'],
    ['LOCATION_POLICY', 'city', 'Invalid option: expected one of "address"|"subnet"|"asn"|"country"|"off"'],
    ['COOKIE_DOMAIN', 'com', domain],
    ['COOKIE_DOMAIN', 'localhost', domain],
    ['COOKIE_DOMAIN', '.', domain],
    ['COOKIE_DOMAIN', ' ', domain],
    ['COOKIE_DOMAIN', '..example.com', domain],
    ['COOKIE_DOMAIN', 'example.com.', domain],
    ['COOKIE_DOMAIN', '*.example.com', domain],
    ['COOKIE_DOMAIN', '-a.example.com', domain],
    ['COOKIE_DOMAIN', 'a_b.example.com', domain],
    ['COOKIE_DOMAIN', '203.0.113.7', domain],
    ['COOKIE_DOMAIN', '127.1', domain],
    ['COOKIE_DOMAIN', '0x7f.1', domain],
    ['COOKIE_DOMAIN', '[2001:db8::1]', domain],
    ['COOKIE_DOMAIN', 'https://example.com', domain],
    ['COOKIE_DOMAIN', 'example.com:443', domain],
    ['COOKIE_DOMAIN', 'example.com/', domain],
    ['COOKIE_DOMAIN', 'example.com,example.org', domain],
    ['COOKIE_DOMAIN', 'example.com; Path=/refresh', domain],
    ['COOKIE_DOMAIN', 'example.com\r\nSet-Cookie: a=b', domain],
    ['COOKIE_DOMAIN', 'workers.dev', publicSuffix],
    ['COOKIE_DOMAIN', '.Pages.dev', publicSuffix],
    ['COOKIE_DOMAIN', 'co.uk', publicSuffix],
    ['COOKIE_DOMAIN', 7, 'Invalid input: expected string, received number'],
    ['COOKIE_SAMESITE', 'Strict', 'Invalid option: expected one of "strict"|"lax"|"none"'],
    ['COOKIE_SAMESITE', 'off', 'Invalid option: expected one of "strict"|"lax"|"none"'],
    ['MAIL_TRANSPORT', 'smtp', 'Invalid option: expected one of "cloudflare"|"api"'],
    ['MAIL_FROM', 'Tessera', 'must be an address'],
    ['MAIL_FROM', '@', 'must be an address'],
    ['MAIL_FROM', 'a@example.com\r\nBcc: b@example.com', 'must be an address'],
    ['MAIL_FROM', 'a@example.com\n', 'must be an address'],
    ['MAIL_API_URL', 'api.example.com', url],
    ['MAIL_API_URL', 'http://api.example.com', url],
    ['MAIL_API_KEY', 're_1\r\nX-Other: 1', 'must be printable ASCII without spaces'],
    ['MAIL_API_KEY', 're 1', 'must be printable ASCII without spaces'],
    ['MAIL_API_KEY', 're_é', 'must be printable ASCII without spaces'],
    ['MAIL_API_KEY', 're_1\n', 'must be printable ASCII without spaces'],
    ['MAIL_API_KEY', 7, 'Invalid input: expected string, received number'],
  ])('%s refuses %j, and does not repeat it', (key, value, reason) => {
    // An entry of a list is named by its number.
    const message = refusal({ AUTH_SECRET: SECRET, [key.replace(/\..*/, '')]: value })
    // Rules across keys may have something to add; what is wrong with the key itself comes first.
    expect(message.replace(/; ACCESS_TTL_SECONDS must not be longer than REFRESH_TTL_SECONDS$/, '')).toBe(
      `Configuration: ${key} ${reason}`,
    )
  })

  test.each([
    '*',
    'null',
    'app.example.com',
    'http://app.example.com',
    'https://app.example.com/',
    'https://app.example.com/inbox',
    'https://app.example.com:443',
    'https://*.example.com',
    'https://user@app.example.com',
    'https://bücher.example',
    'HTTPS://app.example.com',
  ])('RETURN_ORIGINS refuses %j, by its place', (origin) => {
    expect(refusal({ AUTH_SECRET: SECRET, RETURN_ORIGINS: `https://app.example.com, ${origin}` })).toBe(
      'Configuration: RETURN_ORIGINS.1 must be origins such as https://app.example.com',
    )
  })

  test.each([
    'sign-in',
    'app.example.com/sign-in',
    '//app.example.com/sign-in',
    '/\\app.example.com',
    '/sign in',
    'http://app.example.com/sign-in',
    'https://user:pw@app.example.com/sign-in',
    'https://app.example.com/sign in',
    'javascript:alert(1)',
  ])('SIGN_IN_URL refuses %j', (place) => {
    expect(refusal({ AUTH_SECRET: SECRET, SIGN_IN_URL: place })).toBe(
      'Configuration: SIGN_IN_URL must be a path, or an https URL',
    )
  })

  test.each([
    '/sign-in',
    '/sign-in?from=tessera#form',
    'https://app.example.com/sign-in?a=b',
    'http://localhost:3000/sign-in',
  ])('SIGN_IN_URL takes %j', (place) => {
    expect(parseConfig({ AUTH_SECRET: SECRET, SIGN_IN_URL: place }).SIGN_IN_URL).toBe(place)
  })

  test.each([
    ['too short', `${OTHER_SECRET},${HEX_SECRET},short-but-random-1`, `2 ${short}`],
    ['a sample', 'replace-me-with-the-output-of-openssl-rand-base64-32', '0 is still the sample'],
    ['not random', `${OTHER_SECRET},${'ab'.repeat(30)}`, '1 is not random'],
  ])('AUTH_SECRET_PREVIOUS refuses one that is %s, by its place', (_name, text, reason) => {
    expect(refusal({ AUTH_SECRET: SECRET, AUTH_SECRET_PREVIOUS: text })).toBe(
      `Configuration: AUTH_SECRET_PREVIOUS.${reason}`,
    )
  })

  test.each([
    '*',
    'null',
    'app.example.com',
    'https://*.example.com',
    'https://app.example.*',
    'https://*',
    'https://app.example.com/',
    'https://app.example.com/path',
    'https://app.example.com?',
    'https://app.example.com#',
    'https://app.example.com:443',
    'https://app.example.com.',
    'https://APP.example.com',
    'HTTPS://app.example.com',
    'https://bücher.example',
    'https://user@app.example.com',
    'https://app.example.com https://other.example.com',
    'https://app.example.com;https://other.example.com',
    'http://app.example.com',
    'http://localhost.example.com',
    '//app.example.com',
    'ws://localhost',
    'file://',
    '/^https:.*$/',
  ])('CORS_ORIGINS refuses %j by its place: an origin is listed as browsers write it', (text) => {
    expect(refusal({ AUTH_SECRET: SECRET, CORS_ORIGINS: `https://other.example.com,${text}` })).toBe(
      'Configuration: CORS_ORIGINS.1 must be origins such as https://app.example.com',
    )
  })

  test('COOKIE_SAMESITE takes none only beside a list of the origins that it is for', () => {
    const bindings = { AUTH_SECRET: SECRET, COOKIE_SAMESITE: 'none' }
    const message = 'Configuration: COOKIE_SAMESITE must not be none without CORS_ORIGINS, the origins that it is for'

    for (const list of [{}, { CORS_ORIGINS: '' }, { CORS_ORIGINS: ' , ' }]) {
      expect(refusal({ ...bindings, ...list })).toBe(message)
    }
    expect(parseConfig({ ...bindings, CORS_ORIGINS: 'https://app.example.com' }).COOKIE_SAMESITE).toBe('none')
  })

  test('ACCESS_TOKEN_RSA_KEY_PREVIOUS refuses one that cannot be used by its place', () => {
    expect(refusal({ AUTH_SECRET: SECRET, ACCESS_TOKEN_RSA_KEY_PREVIOUS: `${RSA_KEY},x,${SHORT_RSA_KEY}` })).toBe(
      `Configuration: ACCESS_TOKEN_RSA_KEY_PREVIOUS.1 ${pkcs8}; ACCESS_TOKEN_RSA_KEY_PREVIOUS.2 must be a key of 2048 to 4096 bits`,
    )
  })

  test.each([[{}], [{ AUTH_SECRET: '' }]])('without a secret, %j, says how to come by one', (bindings) => {
    expect(refusal(bindings)).toBe(
      'Configuration: AUTH_SECRET is missing. Locally, run `npm start` once: it writes .dev.vars; deployed, run `npx wrangler secret put AUTH_SECRET`',
    )
  })

  test('names every key that is wrong, in one line', () => {
    const message = refusal({ AUTH_SECRET: 'short', ISSUE_ACCESS: 'x', ACCESS_TTL_SECONDS: 'x', MAIL_FROM: 'x\ny' })
    expect(message).toBe(
      `Configuration: AUTH_SECRET ${short}; AUTH_SECRET is not random; ISSUE_ACCESS Invalid option: expected one of "service"|"open"|"off"; ACCESS_TTL_SECONDS ${wholeSeconds}; MAIL_FROM must be an address`,
    )
  })

  const SERVICE_KEY_REUSED = 'SERVICE_KEY must not be AUTH_SECRET, AUTH_SECRET_NEXT, or one of AUTH_SECRET_PREVIOUS'
  const SERVICE_KEYS_REUSED = 'SERVICE_KEYS must not have AUTH_SECRET, AUTH_SECRET_NEXT, or one of AUTH_SECRET_PREVIOUS'
  const KEY_TWICE = 'SERVICE_KEYS must have each name and each key once, and not the one of SERVICE_KEY'
  const NOT_ABOVE = 'COOKIE_DOMAIN must be the host of PUBLIC_URL, or a parent of it'
  const OPEN_TO_ALL =
    'ISSUE_ACCESS must not be open under a public PUBLIC_URL: anybody could be anybody. Locally, write `PUBLIC_URL=` into .dev.vars'

  test.each([
    [
      { ACCESS_TTL_SECONDS: '61', REFRESH_TTL_SECONDS: '60' },
      'ACCESS_TTL_SECONDS must not be longer than REFRESH_TTL_SECONDS',
    ],
    [{ REFRESH_TTL_SECONDS: '299' }, 'ACCESS_TTL_SECONDS must not be longer than REFRESH_TTL_SECONDS'],
    [{ SERVICE_KEY: SECRET }, SERVICE_KEY_REUSED],
    [{ SERVICE_KEY: ` ${SECRET}\n` }, SERVICE_KEY_REUSED],
    [{ SERVICE_KEY: OTHER_SECRET, AUTH_SECRET_PREVIOUS: `${HEX_SECRET},${OTHER_SECRET}` }, SERVICE_KEY_REUSED],
    [{ SERVICE_KEYS: `web=${SECRET}` }, SERVICE_KEYS_REUSED],
    [{ SERVICE_KEYS: `web=${HEX_SECRET}`, AUTH_SECRET_PREVIOUS: HEX_SECRET }, SERVICE_KEYS_REUSED],
    [{ SERVICE_KEY: OTHER_SECRET, AUTH_SECRET_NEXT: OTHER_SECRET }, SERVICE_KEY_REUSED],
    [{ SERVICE_KEYS: `web=${HEX_SECRET}`, AUTH_SECRET_NEXT: HEX_SECRET }, SERVICE_KEYS_REUSED],
    [{ SERVICE_KEYS: `web=${HEX_SECRET},web=${OTHER_SECRET}` }, KEY_TWICE],
    [{ SERVICE_KEYS: `web=${HEX_SECRET},api=${HEX_SECRET}` }, KEY_TWICE],
    [{ SERVICE_KEY: HEX_SECRET, SERVICE_KEYS: `web=${HEX_SECRET}` }, KEY_TWICE],
    [{ ISSUE_ACCESS: 'open', PUBLIC_URL: 'https://auth.example.com' }, OPEN_TO_ALL],
    [{ ISSUE_ACCESS: 'open', PUBLIC_URL: 'auth.example.com' }, OPEN_TO_ALL],
    [{ ISSUE_ACCESS: 'open', PUBLIC_URL: 'https://localhost.example.com' }, OPEN_TO_ALL],
    [{ COOKIE_DOMAIN: 'example.com' }, NOT_ABOVE],
    [{ COOKIE_DOMAIN: 'example.org', PUBLIC_URL: 'auth.example.com' }, NOT_ABOVE],
    [{ COOKIE_DOMAIN: 'xample.com', PUBLIC_URL: 'auth.example.com' }, NOT_ABOVE],
    [{ COOKIE_DOMAIN: 'www.auth.example.com', PUBLIC_URL: 'auth.example.com' }, NOT_ABOVE],
    [{ COOKIE_DOMAIN: 'app.example.com', PUBLIC_URL: 'auth.example.com' }, NOT_ABOVE],
    [{ COOKIE_DOMAIN: 'tessera.localhost', PUBLIC_URL: '127.0.0.1:8787' }, NOT_ABOVE],
    [{ ACCESS_TOKEN_ALG: 'RS256' }, 'ACCESS_TOKEN_RSA_KEY is needed by ACCESS_TOKEN_ALG=RS256'],
    [
      { ACCESS_TOKEN_ALG: 'RS256', ACCESS_TOKEN_RSA_KEY_PREVIOUS: RSA_KEY },
      'ACCESS_TOKEN_RSA_KEY is needed by ACCESS_TOKEN_ALG=RS256',
    ],
    [{ MAIL_TRANSPORT: 'api' }, 'MAIL_API_URL is needed by MAIL_TRANSPORT=api'],
    [{ MAIL_TRANSPORT: 'api', MAIL_API_URL: '' }, 'MAIL_API_URL is needed by MAIL_TRANSPORT=api'],
  ])('refuses %j', (bindings, reason) => {
    expect(refusal({ AUTH_SECRET: SECRET, ...bindings })).toBe(`Configuration: ${reason}`)
  })

  test.each([
    [
      { ACCESS_TTL_SECONDS: '60', REFRESH_TTL_SECONDS: '60' },
      { ACCESS_TTL_SECONDS: 60, REFRESH_TTL_SECONDS: 60 },
    ],
    [
      { MAIL_TRANSPORT: 'api', MAIL_API_URL: 'https://api.example.com/emails' },
      { MAIL_TRANSPORT: 'api', MAIL_API_URL: 'https://api.example.com/emails' },
    ],
    [
      { ISSUE_ACCESS: 'open', PUBLIC_URL: 'localhost:8787' },
      { ISSUE_ACCESS: 'open', PUBLIC_URL: 'http://localhost:8787' },
    ],
    [
      { RETURN_ORIGINS: ' https://app.example.com,http://localhost:3000 ,, https://xn--bcher-kva.example:8443' },
      { RETURN_ORIGINS: ['https://app.example.com', 'http://localhost:3000', 'https://xn--bcher-kva.example:8443'] },
    ],
    [
      { ACCESS_TOKEN_ALG: 'RS256', ACCESS_TOKEN_RSA_KEY: RSA_KEY },
      { ACCESS_TOKEN_ALG: 'RS256', ACCESS_TOKEN_RSA_KEY: der(RSA_KEY) },
    ],
    // Halfway through a rotation, when secrets are put one after the other.
    [{ AUTH_SECRET_PREVIOUS: `${OTHER_SECRET},${SECRET}` }, { AUTH_SECRET_PREVIOUS: [OTHER_SECRET, SECRET] }],
    // A refresh token that outlives its session is cut, not refused.
    [{ SESSION_MAX_SECONDS: '60' }, { SESSION_MAX_SECONDS: 60 }],
  ])('takes %j', (bindings, changes) => {
    expect(parseConfig({ AUTH_SECRET: SECRET, ...bindings })).toEqual({ ...DEFAULTS, ...changes })
  })

  test.each([
    ['example.com', 'auth.example.com', 'example.com'],
    ['auth.example.com', 'auth.example.com', 'auth.example.com'],
    ['eu.example.com', 'https://auth.eu.example.com:8443', 'eu.example.com'],
    [' .Example.COM ', 'auth.example.com', 'example.com'],
    ['bücher.example', 'auth.bücher.example', 'xn--bcher-kva.example'],
    ['example.xn--p1ai', 'auth.example.xn--p1ai', 'example.xn--p1ai'],
    ['acme.workers.dev', 'tessera.acme.workers.dev', 'acme.workers.dev'],
    ['tessera.localhost', 'http://auth.tessera.localhost:8787', 'tessera.localhost'],
  ])('COOKIE_DOMAIN takes %j above %s', (text, PUBLIC_URL, value) => {
    expect(parseConfig({ AUTH_SECRET: SECRET, PUBLIC_URL, COOKIE_DOMAIN: text }).COOKIE_DOMAIN).toBe(value)
  })

  test.each([
    'auth-service',
    './auth',
    '//',
    '//auth',
    '/auth//',
    '/a//b',
    '/.',
    '/..',
    '/a/./b',
    '/a/../b',
    '/a/..',
    '/../',
    '/a b',
    '/%61',
    '/a%2fb',
    '/a?b',
    '/a#b',
    '/a;b',
    '/a:b',
    '/a*',
    '/:guid',
    '/a\\b',
    '/\u00fc',
    '/a\r\nb',
    ' ',
    'https://auth.example.com/auth',
    '/a,/b',
    '/a"b',
    '/a=b',
    '/a@b',
    '/a/ /b',
  ])('BASE_PATH refuses %j', (text) => {
    expect(refusal({ AUTH_SECRET: SECRET, BASE_PATH: text })).toBe(
      'Configuration: BASE_PATH must be a path such as /auth-service',
    )
  })

  test.each([
    [{ BASE_PATH: '/auth-service/' }, '/auth-service'],
    [{ BASE_PATH: '/' }, ''],
    [{ BASE_PATH: '' }, ''],
    [{ BASE_PATH: 'x y' }, ''],
    [{ BASE_PATH: 7 }, ''],
    [{}, ''],
  ])('BASE_PATH is known of %j, which cannot be used otherwise', (bindings, value) => {
    expect(basePathOf(bindings)).toBe(value)
  })

  test('no refusal shows a value, whatever the values are', () => {
    const key = fc.constantFrom('AUTH_SECRET', ...KEYS)
    // Marked, so that a part of a message cannot be taken for one of them.
    const value = fc.string({ maxLength: 80 }).map((text) => `\u00a7${text}\u00a7`)
    const seen = { refused: 0 }
    fc.assert(
      fc.property(fc.dictionary(key, value), (bindings) => {
        try {
          parseConfig(bindings)
        } catch (error) {
          if (!(error instanceof ConfigError)) throw error
          seen.refused += 1
          expect(error.message).not.toMatch(/[\u00a7\r\n]/)
          expect(error.cause).toBeUndefined()
        }
      }),
    )
    expect(seen.refused).toBeGreaterThan(50)
  })
})
