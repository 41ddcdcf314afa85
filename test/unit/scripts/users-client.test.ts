/** Whom `npm run users` asks, and by which key; and the one line for whatever goes wrong there. */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'

import * as z from 'zod/mini'
import { afterEach, describe, expect, test } from 'vitest'

import { createClient, Refusal } from '../../../scripts/users/client.ts'
import { findAccount } from '../../../scripts/users/find-account.ts'
import { UsageProblem, UsersProblem } from '../../../scripts/users/problem.ts'
import { administrationKey, findTarget, type Target } from '../../../scripts/users/target.ts'
import { portOf } from '../../support/command.ts'

const KEY = 'jB1w0cVq4mS7tYp2Ke9Zr5Xn8Ld3Gh6Fa0Uo1Ii2Ss4Q='
const OTHER_KEY = 'Zk1w0cVq4mS7tYp2Ke9Zr5Xn8Ld3Gh6Fa0Uo1Ii2Ss4Q='
const NOWHERE = { remote: false, name: undefined, url: undefined }

describe('a target', () => {
  test.each([
    ['https://auth.example.com/', 'https://auth.example.com'],
    ['auth.example.com/auth-service/', 'https://auth.example.com/auth-service'],
    ['http://127.0.0.1:8787', 'http://127.0.0.1:8787'],
    ['http://localhost:8787/a', 'http://localhost:8787/a'],
  ])('by --url: %s', async (url, expected) => {
    const target = await findTarget({ ...NOWHERE, url }, { TESSERA_SERVICE_KEY: KEY })
    expect(target).toEqual({ url: expected, key: KEY, isLocal: false, keySource: 'TESSERA_SERVICE_KEY' })
  })

  test.each([
    ['http://auth.example.com', 'A service key is not sent over plain http: say https://auth.example.com.'],
    ['http://10.0.0.1:8787', 'A service key is not sent over plain http: say https://10.0.0.1:8787.'],
    ['http://localhost.example.com', 'A service key is not sent over plain http: say https://localhost.example.com.'],
    ['https://user:pw@auth.example.com', 'is no address'],
    ['ftp://auth.example.com', 'is no address'],
    ['https://auth.example.com/?a', 'is no address'],
  ])('never is %s', async (url, words) => {
    const asked = findTarget({ ...NOWHERE, url }, { TESSERA_SERVICE_KEY: KEY })
    await expect(asked).rejects.toThrow(UsageProblem)
    await expect(findTarget({ ...NOWHERE, url, remote: true }, { TESSERA_SERVICE_KEY: KEY })).rejects.toThrow(words)
  })

  test('elsewhere does not get the key of this machine', async () => {
    const url = 'https://auth.example.com'
    await expect(findTarget({ ...NOWHERE, url }, {})).rejects.toThrow(
      'No service key for https://auth.example.com: set TESSERA_SERVICE_KEY, or say --remote for the one of .deploy.',
    )
  })

  test('--name is for --remote', async () => {
    await expect(findTarget({ ...NOWHERE, name: 'a' }, {})).rejects.toThrow('--name is for --remote.')
  })

  test.each([
    [{ SERVICE_KEY: KEY, SERVICE_KEYS: `web:admin=${OTHER_KEY}` }, KEY],
    [{ SERVICE_KEYS: `web:issue=${KEY},panel:admin+issue=${OTHER_KEY}` }, OTHER_KEY],
    [{ SERVICE_KEY: '', SERVICE_KEYS: `web:issue=${KEY},all=${OTHER_KEY}` }, OTHER_KEY],
    [{ SERVICE_KEYS: `web:issue=${KEY}` }, undefined],
    [{}, undefined],
  ])('is asked with the first key that may administer: %#', async (vars, key) => {
    expect(await administrationKey(vars)).toBe(key)
  })
})

let server: Server | undefined
afterEach(() => server?.close())

/** A server that gives these answers, one after the other, and what it was asked. */
async function serve(...answers: readonly { status?: number; headers?: Record<string, string>; body?: unknown }[]) {
  const asked: (Pick<IncomingMessage, 'method' | 'url' | 'headers'> & { body: string })[] = []
  server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => (body += text))
    request.on('end', () => {
      const answer = answers[asked.length] ?? {}
      asked.push({ method: request.method, url: request.url, headers: request.headers, body })
      response.writeHead(answer.status ?? 200, answer.headers)
      response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body))
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const target: Target = {
    url: `http://127.0.0.1:${portOf(server.address())}/base`,
    key: KEY,
    isLocal: true,
    keySource: '.dev.vars',
  }
  return { asked, target, client: createClient(target) }
}

const KEY_REFUSED =
  'URL does not take the service key of .dev.vars: it is another one, or lacks the scope admin. `npm start` reads that file when it starts.'

const Anything = z.unknown()

const page = (next: string | null, ...entries: number[]) => ({ body: { entries, next } })

const problem = (code: string, status: number, detail = 'x', errors?: unknown) => ({
  status,
  body: { code, detail, status, errors },
})

const user = (guid: string) => ({
  guid,
  user_id: 1,
  email: null,
  group: null,
  active: null,
  confirmed: null,
  has_password: null,
  external_id: null,
  claims: null,
  language: null,
  time_zone: null,
  created_at: null,
  updated_at: null,
  left_at: null,
})

describe('a request', () => {
  test('has the key, and what it asks for', async () => {
    const { client, asked } = await serve({ status: 201, body: { a: 1 } })
    expect(
      await client.ask(Anything, 'POST', '/users', { query: { a: 'b c', d: undefined }, body: { e: null } }),
    ).toEqual({ a: 1 })
    expect(asked[0]).toMatchObject({ method: 'POST', url: '/base/admin/users?a=b+c', body: '{"e":null}' })
    expect(asked[0]?.headers).toMatchObject({
      authorization: `Bearer ${KEY}`,
      'content-type': 'application/json',
      'user-agent': 'npm run users',
    })
  })

  test('of a list goes on behind pages that are short or empty, and ends where its limit is', async () => {
    const { client, asked } = await serve(page('a', 1), page('b'), page('c', 2, 3), page(null, 4))
    const all: number[] = []
    const take = (entries: readonly number[]) => void all.push(...entries)
    expect(await client.list('entries', z.number(), '/audit', {}, 3, take)).toBe(true)
    expect([all, asked.map(({ url }) => url)]).toEqual([
      [1, 2, 3],
      ['/base/admin/audit?limit=3', '/base/admin/audit?cursor=a&limit=2', '/base/admin/audit?cursor=b&limit=2'],
    ])
    expect(await client.list('entries', z.number(), '/audit', {}, Infinity, take)).toBe(false)
    expect(asked.at(-1)?.url).toBe('/base/admin/audit?limit=100')
  })

  test.each([
    ['no key', problem('not_authenticated', 401), KEY_REFUSED],
    ['a wrong key, or one for something else', problem('forbidden', 403), KEY_REFUSED],
    [
      'a taken address',
      problem('already_exists', 409, 'Already exists', { primary_email: ['is taken'] }),
      'Already exists: primary_email is taken.',
    ],
    [
      'a password against the rules',
      problem('password_not_accepted', 400, 'Password is not accepted', { password: ['Too short.'] }),
      'Password is not accepted: password Too short.',
    ],
    [
      'too many requests',
      { ...problem('too_many_requests', 429), headers: { 'Retry-After': '7' } },
      'Too many requests: try again in 7 s.',
    ],
    ['a database that is down', problem('unavailable', 503), 'URL is out of order just now (503): try again.'],
    [
      'a page of something else',
      { status: 404, body: '<html>' },
      'URL answers 404, and is no Tessera of this version.',
    ],
    [
      'a redirect',
      { status: 302, headers: { Location: 'https://example.com' } },
      'URL answers 302, and is no Tessera of this version, or has moved.',
    ],
    [
      'an answer of another form',
      { body: { user: 7 } },
      'URL answers GET /users/a in another form than this version knows (user).',
    ],
  ])('that meets %s says so in a line, without the key', async (_name, answer, words) => {
    const { client, target, asked } = await serve(answer)
    const error = await client.ask(z.object({ user: z.string() }), 'GET', '/users/a').catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(UsersProblem)
    expect((error as Error).message).toBe(words.replace('URL', target.url))
    expect(asked).toHaveLength(1)
  })

  test('that nobody answers asks whether npm start is running', async () => {
    const { target, client } = await serve()
    server?.close()
    await expect(client.ask(Anything, 'GET', '/users')).rejects.toThrow(
      `${target.url} does not answer (connect ECONNREFUSED 127.0.0.1:${new URL(target.url).port}): is \`npm start\` running?`,
    )
    const remote = createClient({ ...target, isLocal: false })
    await expect(remote.ask(Anything, 'GET', '/users')).rejects.toThrow(/\(connect ECONNREFUSED [^)]+\)\.$/)
  })
})

describe('an account', () => {
  const GUID = '3b0e7a5e-0000-4000-8000-000000000001'
  const found = { body: { users: [user(GUID)], next: null } }
  const none = { body: { users: [], next: null } }
  const notFound = { status: 404, body: { code: 'not_found', detail: 'Not found' } }

  test.each([
    ['its guid', GUID.toUpperCase(), [{ body: { user: user(GUID) } }], [`/users/${GUID}`]],
    [
      'an external id that is a guid',
      GUID,
      [notFound, found],
      [`/users/${GUID}`, `/users?external_id=${GUID}&limit=2`],
    ],
    ['its address', 'a@example.com', [found], ['/users?email=a%40example.com&limit=2']],
    [
      'an external id that is an address',
      'a@b',
      [none, found],
      ['/users?email=a%40b&limit=2', '/users?external_id=a%40b&limit=2'],
    ],
    ['its external id', '42', [found], ['/users?external_id=42&limit=2']],
    [
      'the beginning of its guid',
      GUID.slice(0, 8),
      [none, found],
      ['/users?external_id=3b0e7a5e&limit=2', '/users?search=3b0e7a5e&limit=100'],
    ],
  ])('is found by %s', async (_name, name, answers, urls) => {
    const { client, asked } = await serve(...answers)
    expect((await findAccount(client, name)).guid).toBe(GUID)
    expect(asked.map(({ url }) => url?.replace('/base/admin', ''))).toEqual(urls)
  })

  test('that is not there is named as it was looked for', async () => {
    const { client } = await serve(none, none)
    await expect(findAccount(client, 'a@example.com')).rejects.toThrow(
      'No account has the address a@example.com. `npm run users -- list PART` searches.',
    )
  })

  test('a refusal by another reason than that there is none is no answer', async () => {
    const { client } = await serve({ status: 403, body: { code: 'forbidden', detail: 'Forbidden' } })
    await expect(findAccount(client, GUID)).rejects.toThrow(Refusal)
  })
})
