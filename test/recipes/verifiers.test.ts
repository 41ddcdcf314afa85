/**
 * Programs that verify access tokens with software of others, as docs/integrate.md has them: each lets in a good one, refuses what is none, goes on through a rotation of
 * the keys, and takes keys that it cannot get for no verdict.
 */

import { createServer, type Server, type ServerResponse } from 'node:http'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTestHarness, type TestHarness } from 'wrangler'

import type { AccessClaims } from '../../src/domain/tokens/claims.ts'
import { deriveKeys } from '../../src/domain/tokens/keys.ts'
import { createTokens } from '../../src/domain/tokens/tokens.ts'
import { newSecret } from '../../scripts/new-secret.ts'
import { createAccount, PASSWORD } from '../support/accounts.ts'
import { TEST_BINDINGS } from '../support/bindings.ts'
import { portOf } from '../support/command.ts'
import { copyExample, type Folder, type Program } from '../support/stranger.ts'

const root = join(import.meta.dirname, '../..')
const AUDIENCE = 'api'
/** The secret that signs after the next step of a rotation: its public key is in the JWKS by now. */
const NEXT = newSecret()

/** How each program is started. The node of the lock file runs what is JavaScript. */
const PROGRAMS: readonly (readonly [string, string, readonly string[]])[] = [
  ['jose', process.execPath, ['jose.js']],
  ['hono/jwk', process.execPath, ['hono-jwk.js']],
  ['express-oauth2-jwt-bearer', process.execPath, ['express-oauth2-jwt-bearer.js']],
  ['fastify', process.execPath, ['fastify.js']],
  ['jsonwebtoken', process.execPath, ['jsonwebtoken.js']],
  ['PyJWT', '/usr/bin/python3', ['pyjwt.py']],
  ['Go', 'go', ['run', 'verify.go']],
]

let harness: TestHarness
let folder: Folder
/** What stands before Tessera: it counts who fetches keys, and can be out of reach. */
let network: Server
let issuer: string
let fetched = 0
let isDown = false
let good: string
let refresh: string
let claims: AccessClaims

beforeAll(async () => {
  folder = copyExample('verify')
  let target = ''
  network = createServer((request, response) => {
    if (request.url?.includes('jwks') === true) fetched += 1
    if (isDown) response.writeHead(500).end()
    else void passOn(target + request.url, response)
  })
  await new Promise<void>((resolve) => network.listen(0, '127.0.0.1', resolve))
  issuer = `http://127.0.0.1:${portOf(network.address())}`
  harness = createTestHarness({
    workers: [
      {
        configPath: join(root, 'wrangler.toml'),
        secrets: { ...TEST_BINDINGS, AUDIENCE, PUBLIC_URL: issuer, AUTH_SECRET_NEXT: NEXT },
      },
    ],
  })
  const { url } = await harness.listen()
  target = url.origin
  await harness.getWorker<Env>().applyD1Migrations('DB')
  const { DB } = await harness.getWorker<Env>().getEnv()
  const { email } = await createAccount(DB)
  const answer = await fetch(`${target}/auth/token`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Host: new URL(issuer).host },
    body: JSON.stringify({ primary_email: email, password: PASSWORD }),
  })
  ;({ access: good, refresh } = (await answer.json()) as { access: string; refresh: string })
  claims = JSON.parse(Buffer.from(good.split('.')[1] ?? '', 'base64url').toString()) as AccessClaims
}, 240_000)

afterAll(async () => {
  network.close()
  await harness.close()
  folder.remove()
})

async function sign(changes: Partial<AccessClaims>, secret: string = TEST_BINDINGS.AUTH_SECRET): Promise<string> {
  return createTokens(await deriveKeys(secret, [])).sign({ ...claims, ...changes })
}

async function passOn(url: string, response: ServerResponse): Promise<void> {
  const answer = await fetch(url)
  response.writeHead(answer.status, { 'Content-Type': 'application/json' }).end(await answer.text())
}

/** What nobody may take for a good access token. */
const REFUSED: readonly (readonly [string, () => string | Promise<string>])[] = [
  ['a refresh token', () => refresh],
  ['one that is over', () => sign({ iat: claims.iat - 600, exp: claims.iat - 300 })],
  ['one of another issuer', () => sign({ iss: 'https://other.example.com' })],
  ['one of another issuer with other keys', () => sign({}, newSecret())],
  ['one for another audience', () => sign({ aud: 'another' })],
  ['one whose claims were changed', () => withPayload(good, { ...claims, sub: crypto.randomUUID() })],
  ['one that nobody signed', () => `${encode({ alg: 'none', typ: 'JWT' })}.${encode(claims)}.`],
  ['a text of any kind', () => 'damaged'],
]

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function withPayload(token: string, payload: object): string {
  const [header, , signature] = token.split('.')
  return [header, encode(payload), signature].join('.')
}

describe.each(PROGRAMS)('%s', (_name, command, args) => {
  let program: Program

  beforeAll(async () => {
    program = await folder.start(command, args, { ISSUER: issuer, AUDIENCE })
  })

  afterAll(() => program.stop())

  async function ask(token: string): Promise<Response> {
    return fetch(program.url, { headers: { Authorization: `Bearer ${token}` } })
  }

  test('lets a good access token in, and says whose it is', async () => {
    const answer = await ask(good)
    expect([answer.status, await answer.text()]).toEqual([200, claims.sub])
  })

  test.each(REFUSED)('refuses %s', async (_what, make) => {
    expect((await ask(await make())).status).toBe(401)
    // Whatever it was asked, it goes on.
    expect((await ask(good)).status).toBe(200)
  })

  test('knows the key that signs next by the time it does, and asks for no keys then', async () => {
    await ask(good)
    fetched = 0
    expect((await ask(await sign({}, NEXT))).status).toBe(200)
    expect(fetched).toBeLessThanOrEqual(1)
  })

  test('fetches the keys once for many requests', async () => {
    await ask(good)
    fetched = 0
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask(good)))
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 50 }, () => 200))
    expect(fetched).toBe(0)
  })

  test('does not sign people out while it cannot get the keys', async () => {
    isDown = true
    const fresh = await folder.start(command, args, { ISSUER: issuer, AUDIENCE })
    try {
      const answer = await fetch(fresh.url, { headers: { Authorization: `Bearer ${good}` } })
      expect(answer.status).toBeGreaterThanOrEqual(500)
    } finally {
      isDown = false
      await fresh.stop()
    }
  })
})
