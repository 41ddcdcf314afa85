/** What `npm run doctor -- --remote` finds out of a deployment: what Cloudflare says of it, and what it says of itself. */

import { readdirSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, test, vi } from 'vitest'

import { examineRemote } from '../../../scripts/doctor/remote.ts'
import { ACCOUNT, type CloudflareApi, startCloudflareApi, TOKEN } from '../../support/cloudflare-api.ts'
import { deployed } from '../../support/doctoring.ts'

const MIGRATIONS = readdirSync(join(import.meta.dirname, '../../../migrations'))
  .filter((name) => name.endsWith('.sql'))
  .toSorted()
const QUEUES = ['tessera-mail', 'tessera-mail-dead']
const WELL = { configuration: 'ok', keys: 'ok', database: 'ok', queue: 'ok', sender: 'ok' }

let api: CloudflareApi
/** What the deployment says of itself. */
let health: { status: number; body: string }
const server = createServer((_request, response) => response.writeHead(health.status).end(health.body))
let origin: string

beforeEach(async () => {
  health = { status: 200, body: JSON.stringify({ status: 'ok', checks: WELL }) }
  api = await startCloudflareApi()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  vi.stubEnv('CLOUDFLARE_API_BASE_URL', api.url)
  vi.stubEnv('CLOUDFLARE_API_TOKEN', TOKEN)
  vi.stubEnv('CLOUDFLARE_API_KEY', undefined)
  vi.stubEnv('CLOUDFLARE_ACCOUNT_ID', ACCOUNT)
})

afterEach(async () => {
  vi.unstubAllEnvs()
  await api.close()
  server.closeAllConnections()
  await new Promise((done) => server.close(done))
})

/** Its lines, as they are printed. */
async function examine(more: { account?: string; id?: string; url?: string | undefined; vars?: object } = {}) {
  const deployment = {
    name: 'tessera',
    account: more.account,
    database: { name: 'tessera', id: more.id },
    queues: QUEUES,
    vars: { ...more.vars },
  }
  const findings = await examineRemote(deployment, 'url' in more ? more.url : origin)
  return findings.map(({ part, state, isWrong }) => `${isWrong ? 'WRONG' : 'ok'} ${part} ${state}`)
}

test('a deployment that is well', async () => {
  deployed(api, { secrets: ['AUTH_SECRET', 'SERVICE_KEY'], applied: MIGRATIONS, queues: QUEUES })
  const lines = [
    'ok AUTH_SECRET is set',
    'ok SERVICE_KEY is set',
    'ok database migrated',
    'ok queue tessera-mail',
    'ok queue tessera-mail-dead',
    `ok address ${origin}/healthz: all is well`,
  ]
  expect(await examine()).toEqual(lines)
  // Looking changes nothing.
  expect(api.changes).toEqual([])

  // The configuration says the rest of it, or the one account that the token sees.
  vi.stubEnv('CLOUDFLARE_ACCOUNT_ID', undefined)
  const [id = ''] = api.databases.keys()
  expect(await examine({ id, url: undefined, vars: { PUBLIC_URL: origin } })).toEqual(lines)
  api.accounts.push({ id: 'another', name: 'Other' })
  expect(await examine({ account: ACCOUNT })).toEqual(lines)
})

test('a deployment that lacks something in each part', async () => {
  deployed(api, { secrets: [], applied: MIGRATIONS.slice(0, -1), queues: ['tessera-mail'] })
  const checks = {
    ...WELL,
    configuration: 'not ok',
    keys: 'unknown',
    database: 'not ok',
    queue: 'not ok',
    sender: 'unknown',
  }
  health = { status: 503, body: JSON.stringify({ status: 'not ok', checks }) }

  expect(await examine()).toEqual([
    'WRONG AUTH_SECRET is missing: `npm run deploy` makes it, or set it under Settings → Variables and Secrets',
    'ok SERVICE_KEY is not set: every call of a back end is refused, which may be meant',
    `WRONG database lacks ${MIGRATIONS.at(-1) ?? ''}: \`npm run deploy\` migrates it`,
    'ok queue tessera-mail',
    'WRONG queue tessera-mail-dead: there is no such queue: `npm run deploy` creates it',
    'WRONG configuration a value cannot be used: `npx wrangler tail tessera` names its key at the next request',
    'WRONG database it is not migrated, or does not answer: `npm run deploy` migrates it',
    'WRONG queue it does not answer: `npm run deploy` creates what is missing',
  ])
})

test('a database that was created and never migrated', async () => {
  deployed(api, { secrets: [], applied: null, queues: [] })
  expect((await examine())[2]).toBe(`WRONG database lacks ${MIGRATIONS.join(', ')}: \`npm run deploy\` migrates it`)
})

test('nothing deployed yet, or a database that was deleted', async () => {
  health = { status: 404, body: 'There is nothing here yet' }
  const lines = [
    'WRONG Worker tessera: there is no such Worker yet: `npm run deploy` creates it',
    'WRONG database there is no such database yet: `npm run deploy` creates it',
    'WRONG queue tessera-mail: there is no such queue: `npm run deploy` creates it',
    'WRONG queue tessera-mail-dead: there is no such queue: `npm run deploy` creates it',
    `WRONG address ${origin}/healthz answers 404, and is no Tessera of this version`,
  ]
  expect(await examine()).toEqual(lines)
  expect(await examine({ id: 'deleted' })).toEqual(lines)
})

test('a token that lacks a right for each part', async () => {
  api.refuse = () => ({ status: 403, code: 10000, message: 'Authentication error' })
  const lacks = 'The token lacks a right (10000). Give it Account'
  const where = 'Edit: https://dash.cloudflare.com/profile/api-tokens'
  expect(await examine()).toEqual([
    `WRONG Worker tessera: ${lacks} › Workers Scripts › ${where}`,
    `WRONG database ${lacks} › D1 › ${where}`,
    `WRONG queue tessera-mail: ${lacks} › Queues › ${where}`,
    `WRONG queue tessera-mail-dead: ${lacks} › Queues › ${where}`,
    `ok address ${origin}/healthz: all is well`,
  ])
})

test('what stops every question is said once, and the deployment asked all the same', async () => {
  const answers = `ok address ${origin}/healthz: all is well`
  vi.stubEnv('CLOUDFLARE_API_TOKEN', 'another')
  expect(await examine()).toEqual([
    'WRONG account Cloudflare does not know this token (6003): make a new one, or unset CLOUDFLARE_API_TOKEN and run `npx wrangler login`.',
    answers,
  ])
  vi.stubEnv('CLOUDFLARE_API_BASE_URL', 'http://127.0.0.1:9')
  const [unreachable = '', ...rest] = await examine()
  expect(unreachable).toMatch(/^WRONG account Cloudflare's API cannot be reached: .+\.$/)
  expect(rest).toEqual([answers])
})

test('a deployment below a prefix is asked there; an address that is given is whole', async () => {
  const vars = { PUBLIC_URL: `${origin}/`, BASE_PATH: '/auth-service/' }
  expect((await examine({ url: undefined, vars })).at(-1)).toContain(` ${origin}/auth-service/healthz`)
  expect((await examine({ url: `${origin}/auth`, vars })).at(-1)).toContain(` ${origin}/auth/healthz`)
})

test('several accounts, of which none is named', async () => {
  vi.stubEnv('CLOUDFLARE_ACCOUNT_ID', undefined)
  api.accounts.push({ id: 'another', name: 'Other' })
  expect((await examine())[0]).toBe('WRONG account You have several accounts: set CLOUDFLARE_ACCOUNT_ID.')
})

test('an address that does not answer, and none that is known', async () => {
  expect((await examine({ url: 'http://127.0.0.1:9' })).at(-1)).toMatch(
    /^WRONG address http:\/\/127\.0\.0\.1:9\/healthz does not answer \(.+\): look at Settings → Domains & Routes$/,
  )
  expect((await examine({ url: undefined })).at(-1)).toBe(
    'WRONG PUBLIC_URL is not known here: say where it answers, `npm run doctor -- --remote --url https://…`',
  )
})
