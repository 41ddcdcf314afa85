/**
 * The configuration that the Worker under test runs with: every key, so that neither wrangler.toml's defaults nor a
 * developer's own .dev.vars decide what a test sees. The secrets guard nothing.
 */
export const TEST_BINDINGS = {
  AUTH_SECRET: 'jB1w0cVq4mS7tYp2Ke9Zr5Xn8Ld3Gh6Fa0Uo1Ii2Ss4Q=',
  AUTH_SECRET_PREVIOUS: 'Old7w0cVq4mS7tYp2Ke9Zr5Xn8Ld3Gh6Fa0Uo1Ii2Ss4Q=',
  SERVICE_KEY: 'svc-3nQ8pVt6Yw1Zx4Bc7Df0Gh2Jk5Lm9No-Rs6Tu8Vw1Xy',
  ISSUE_ACCESS: 'open',
  PUBLIC_URL: '',
  BASE_PATH: '',
  AUDIENCE: '',
  ACCESS_TOKEN_TYP: 'JWT',
  ACCESS_TOKEN_ALG: 'ES256',
  ACCESS_TOKEN_RSA_KEY: '',
  ACCESS_TOKEN_RSA_KEY_PREVIOUS: '',
  ACCESS_TTL_SECONDS: '300',
  REFRESH_TTL_SECONDS: '864000',
  SESSION_MAX_SECONDS: '7776000',
  SESSIONS_MAX: '100',
  REFRESH_REUSE_SECONDS: '0',
  LOCATION_POLICY: 'address',
  COOKIE_DOMAIN: '',
  COOKIE_SAMESITE: 'strict',
  RETURN_ORIGINS: '',
  CORS_ORIGINS: '',
  SIGN_IN_URL: '',
  MAIL_TRANSPORT: 'cloudflare',
  MAIL_FROM: 'Tessera <tessera@example.com>',
  MAIL_API_URL: '',
  MAIL_API_KEY: '',
} as const
