/**
 * The secrets of a test, which guard nothing: each is made for one start, and says by its first characters what it is. The Worker of the
 * kit answers under no other, and the kit does not start where another one is in reach.
 */

const MARK = 'only-for-tests-'

/** Every setting that is a secret, and why the kit has no use for it. */
export const SECRET_SETTINGS = {
  AUTH_SECRET: 'every key of a deployment derives from it',
  AUTH_SECRET_PREVIOUS: 'tokens of a deployment are good under it',
  AUTH_SECRET_NEXT: 'a deployment is going to sign with it',
  SERVICE_KEY: 'it opens sessions of a deployment',
  SERVICE_KEYS: 'they open sessions of a deployment',
  ACCESS_TOKEN_RSA_KEY: 'a deployment signs with it',
  ACCESS_TOKEN_RSA_KEY_PREVIOUS: 'tokens of a deployment are good under it',
  MAIL_API_KEY: 'it sends mails to real people',
} as const

/** A secret for one start, of 256 random bits. */
export function newTestSecret(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(32))
  return `${MARK}${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`
}

/** Whether a secret is one that the kit made. */
export function isTestSecret(secret: unknown): boolean {
  return typeof secret === 'string' && /^[0-9a-f]{64}$/.test(secret.slice(MARK.length)) && secret.startsWith(MARK)
}

/**
 * The secrets among these variables that are real, with the reason against each. The service key of a Tessera of the kit is none: an
 * application that is tested has it in its environment.
 */
export function realSecrets(variables: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.entries(SECRET_SETTINGS).flatMap(([name, reason]) => {
    const value = variables[name]
    return value === undefined || value === '' || isTestSecret(value) ? [] : [`${name} is set: ${reason}`]
  })
}
