/** Accounts of a test, made as an operator makes them. */

import { HOME, type Served } from './serve.ts'

/** Of every account that a test gives none. */
const PASSWORD = 'kept by tessera/testing alone'
/** Of that, made once: a hash costs a test 67 ms, and those who do not sign in by it need none. */
const PASSWORD_HASH =
  '$argon2id$v=19$m=19456,t=2,p=1$RPXR6OSy7Scm9GdM0d5Ing$s/HWW0nM/dA7I+NqoAp+dQMMF58jxAUr9zTbXeH8pYI'

export interface NewUser {
  /** An address of nobody, where it is left out; `null` for an account that is known by its guid alone. */
  readonly email?: string | null
  /** The rules for passwords hold, and hashing one takes a moment. Left out, all accounts have one that is hashed already. */
  readonly password?: string
  /** `user`, where it is left out. */
  readonly group?: string
  /** Any 8-4-4-4-12 hex; a random one, where it is left out. */
  readonly guid?: string
  /** Whether the address was confirmed: `true`, where it is left out. Without it nobody signs in by password. */
  readonly confirmed?: boolean
  /** Whether the account may sign in: `true`, where it is left out. */
  readonly active?: boolean
  /** Claims of your own, which its access tokens have. */
  readonly claims?: Readonly<Record<string, unknown>>
}

export interface User {
  /** `''` for an account that is known by its guid alone. */
  readonly email: string
  readonly password: string
  readonly user_id: number
  readonly guid: string
  readonly group: string
}

/** Makes an account. Throws what Tessera answered where it makes none. */
export async function createUser({ ask }: Served, base: string, serviceKey: string, asked: NewUser): Promise<User> {
  const { email = newAddress(), password, ...rest } = asked
  const guid = asked.guid ?? crypto.randomUUID()
  const secret = password === undefined ? { password_hash: PASSWORD_HASH } : { password }
  const answer = await ask(
    `${base}/admin/users`,
    {
      method: 'POST',
      headers: { Authorization: `Bearer ${serviceKey}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ ...rest, guid, primary_email: email, ...(email === null ? {} : secret) }),
    },
    HOME,
  )
  if (!answer.ok) throw await toError('makes no user', answer)
  const { user }: { user: Omit<User, 'email'> & { readonly email: string | null } } = JSON.parse(await answer.text())
  const { user_id, group } = user
  return {
    email: user.email ?? '',
    password: email === null ? '' : (password ?? PASSWORD),
    user_id,
    guid: user.guid,
    group,
  }
}

/** What Tessera refused, as an error with its code and its reasons. */
export async function toError(what: string, answer: Response): Promise<Error> {
  return new Error(`Tessera ${what}: ${answer.status} ${await answer.text()}`)
}

function newAddress(): string {
  return `${crypto.randomUUID()}@example.com`
}
