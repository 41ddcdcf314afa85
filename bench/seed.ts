/**
 * Databases with as many sessions as a row of the table says, and the tokens of those sessions. Everything about a
 * session follows from its number, so tokens can be signed for any of a million rows without reading one.
 */

import { argon2Sync, createHash, randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'

import { deriveKeys } from '../src/domain/tokens/keys.ts'
import { createTokens } from '../src/domain/tokens/tokens.ts'
import { root } from '../scripts/wrangler.ts'
import type { Bundle } from './build.ts'
import { serve } from './serve.ts'

export const HOME = '203.0.113.7'
export const ISSUER = 'https://auth.example.com'
export const PASSWORD = 'correct horse battery staple'
const SESSIONS_PER_USER = 4
/** Accounts that have no session yet. A sign-in beyond `SESSIONS_MAX` ends the oldest session, which must not be one that is refreshed. */
const NEW_USERS = 250
const REFRESH_TTL_SECONDS = 864_000

/** A database of so many sessions, kept for the next run. Returns the storage that `serve` copies. */
export async function prepareDatabase(
  directory: string,
  anyWorker: Bundle,
  sessions: number,
  checkout = root,
): Promise<string> {
  const schema = createHash('sha256')
    .update([...migrations(checkout), fill].join())
    .digest('hex')
    .slice(0, 8)
  const template = join(directory, `sessions-${sessions}-${schema}`)
  if (existsSync(template)) return template
  const unfinished = `${template}.unfinished`
  rmSync(unfinished, { recursive: true, force: true })
  const server = await serve(anyWorker, { storage: unfinished })
  const database = await server.database()
  const statements = migrations(checkout).map((statement) => database.prepare(statement))
  await database.batch(statements)
  await server.stop()
  fill(databaseFile(unfinished), sessions)
  renameSync(unfinished, template)
  return template
}

function migrations(checkout: string): readonly string[] {
  const directory = join(checkout, 'migrations')
  return readdirSync(directory)
    .filter((file) => file.endsWith('.sql'))
    .toSorted()
    .flatMap((file) => readFileSync(join(directory, file), 'utf8').split('--> statement-breakpoint'))
}

function databaseFile(storage: string): string {
  const directory = join(storage, 'd1/miniflare-D1DatabaseObject')
  const files = readdirSync(directory).filter((file) => /^[0-9a-f]{64}\.sqlite$/.test(file))
  const [file] = files
  if (file === undefined || files.length > 1) throw new Error('one D1 was expected')
  return join(directory, file)
}

/** Inserts rows by SQLite itself: by the binding, a million of them would take minutes. */
function fill(file: string, sessions: number): void {
  const database = new DatabaseSync(file)
  const users = userCount(sessions)
  const now = nowSeconds()
  database.exec('pragma synchronous = off; pragma cache_size = -524288; begin')
  database
    .prepare(
      `with recursive n(i) as (select 1 union all select i + 1 from n where i < ?)
       insert into users (id, guid, primary_email, password_hash, is_active, confirmed_at, created_at, updated_at)
       select i, ${id('i', 'user')}, 'user' || i || '@example.com', case i when ? then ? end, 1, ?, ?, ? from n`,
    )
    .run(users + NEW_USERS, signInUser(sessions), passwordHash(), now, now, now)
  database
    .prepare(
      `with recursive n(i) as (select 1 union all select i + 1 from n where i < ?)
       insert into sessions (sid, user_id, jti, issued_at, expires_at, created_at, ip, user_agent)
       select ${id('i', 'sid')}, 1 + (i - 1) % ?, ${id('i', 'jti')}, ?, ?, ?, ?, 'tessera-bench' from n`,
    )
    .run(sessions, users, now, now + REFRESH_TTL_SECONDS, now, HOME)
  database.exec('commit; pragma wal_checkpoint(truncate)')
  database.close()
}

function userCount(sessions: number): number {
  return Math.max(1, Math.floor(sessions / SESSIONS_PER_USER))
}

/** The account of such a database that signs in with `PASSWORD`. It is new, as those are that are signed in by guid. */
export function signInUser(sessions: number): number {
  return userCount(sessions) + 1
}

export function newGuids(sessions: number): readonly string[] {
  return Array.from({ length: NEW_USERS - 1 }, (_, i) => guidOf(signInUser(sessions) + 1 + i))
}

/** Odd multipliers scatter consecutive numbers over the whole index, as random ids would be. */
const SCATTER = { user: 3_266_489_917, sid: 2_654_435_761, jti: 2_246_822_519 }

function id(number: string, kind: keyof typeof SCATTER): string {
  return `printf('%08x-0000-4000-8000-%012x', (${number} * ${SCATTER[kind]}) & 4294967295, ${number})`
}

function idOf(number: number, kind: keyof typeof SCATTER): string {
  const scattered = Math.imul(number, SCATTER[kind]) >>> 0
  return `${hex(scattered, 8)}-0000-4000-8000-${hex(number, 12)}`
}

function hex(number: number, digits: number): string {
  return number.toString(16).padStart(digits, '0')
}

function passwordHash(): string {
  const nonce = randomBytes(16)
  const params = { message: PASSWORD, nonce, memory: 19_456, passes: 2, parallelism: 1, tagLength: 32 }
  return `$argon2id$v=19$m=19456,t=2,p=1$${toBase64(nonce)}$${toBase64(argon2Sync('argon2id', params))}`
}

function toBase64(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('=', '')
}

export function emailOf(user: number): string {
  return `user${user}@example.com`
}

function guidOf(user: number): string {
  return idOf(user, 'user')
}

/** A seeded session, with what its first refresh answers. */
export interface SeededSession {
  readonly sid: string
  readonly jti: string
  readonly userId: number
  readonly guid: string
  readonly email: string
}

/** Sessions `from` to `to`, inclusive, every `step`-th, of a database of `total`. */
export function seededSessions(total: number, from: number, to: number, step = 1): readonly SeededSession[] {
  const users = userCount(total)
  return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, k) => {
    const i = from + k * step
    const userId = 1 + ((i - 1) % users)
    return { sid: idOf(i, 'sid'), jti: idOf(i, 'jti'), userId, guid: guidOf(userId), email: emailOf(userId) }
  })
}

/** Signs the tokens that a session was seeded for. */
export interface Mint {
  readonly access: (session: SeededSession) => Promise<string>
  readonly refresh: (session: SeededSession) => Promise<string>
  /** Public, of the access tokens. */
  readonly jwk: JWK
}

/** Signs as a Tessera with this secret does. */
export async function tesseraMint(secret: string): Promise<Mint> {
  const { jwks, sign } = createTokens(await deriveKeys(secret, []))
  const [jwk] = jwks.keys
  if (jwk === undefined) throw new Error('no key')
  return {
    access: (session) => sign({ ...claimsOf(session), group: 'user', token_type: 'access' }),
    refresh: (session) => sign({ ...claimsOf(session), ip: HOME, token_type: 'refresh' }),
    jwk: { ...jwk },
  }
}

/** Signs as the floors do, with keys of their own, and gives the bindings that hold those. */
export async function floorMint(): Promise<Mint & { readonly bindings: Readonly<Record<string, string>> }> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const hmac = randomBytes(32)
  const jwk = await exportJWK(publicKey)
  return {
    access: (session) =>
      signFloor('ES256', 'f'.repeat(43), privateKey, { ...claimsOf(session), group: 'user', token_type: 'access' }),
    refresh: (session) =>
      signFloor('HS256', 'f'.repeat(22), hmac, { ...claimsOf(session), ip: HOME, token_type: 'refresh' }),
    jwk: { ...jwk, kid: 'f'.repeat(43) },
    bindings: { SIGN_JWK: JSON.stringify(await exportJWK(privateKey)), HMAC_KEY: hmac.toString('base64') },
  }
}

/** `kid` is as long as Tessera's. */
function signFloor(alg: string, kid: string, key: CryptoKey | Uint8Array, claims: object): Promise<string> {
  return new SignJWT({ ...claims }).setProtectedHeader({ alg, typ: 'JWT', kid }).sign(key)
}

function claimsOf({ sid, jti, userId, guid }: SeededSession) {
  const iat = nowSeconds()
  return { iss: ISSUER, sub: guid, id: userId, guid, sid, jti, iat, exp: iat + REFRESH_TTL_SECONDS }
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000)
}
