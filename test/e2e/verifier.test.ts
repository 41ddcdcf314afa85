/**
 * The verifier in workerd, where what one request waits for is no other's: a request that is cancelled while it fetches keys leaves nobody
 * behind it hanging.
 */

import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'

import { build } from 'esbuild'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { createTokens } from '../../src/domain/tokens/tokens.ts'
import { accessClaims } from '../support/claims.ts'
import { testKeys } from '../support/forge.ts'

const root = join(import.meta.dirname, '../..')

let server: Server
let issuer: string
/** The requests for keys; `answer` says what becomes of each. */
let asked: number
let answer: (response: ServerResponse, nth: number) => void
let miniflare: Miniflare | undefined

beforeEach(async () => {
  asked = 0
  server = createServer((_request, response) => {
    asked += 1
    answer(response, asked)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterEach(async () => {
  await miniflare?.dispose()
  server.closeAllConnections()
  server.close()
})

function publish(response: ServerResponse): void {
  response.writeHead(200, { 'Cache-Control': 'max-age=300' }).end(JSON.stringify(testKeys.jwks))
}

/** A Worker that has one verifier, as an API has it. */
async function start(compatibilityDate: string): Promise<URL> {
  const contents = `import { createVerifier } from './src/verifier/verifier.ts'
const verifier = createVerifier({ issuer: '${issuer}' })
export default {
  async fetch(request) {
    const answer = await verifier.verify(request.headers.get('Authorization'))
    return Response.json(answer, { status: answer.ok ? 200 : answer.status })
  },
}`
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: root },
    bundle: true,
    format: 'esm',
    write: false,
  })
  miniflare = new Miniflare(
    convertV4MiniflareOptions({
      name: 'api',
      compatibilityDate,
      modules: [{ type: 'ESModule', path: 'index.js', contents: outputFiles[0]?.contents ?? '' }],
      unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
      cf: false,
      telemetry: { enabled: false },
    }),
  )
  return miniflare.unsafeGetDirectURL('api')
}

async function token(): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  return createTokens(testKeys).sign({ ...accessClaims, iss: issuer, iat: now, exp: now + 300 })
}

// Before the second date, workerd goes on with a request where the promise that it waited for was settled: in another request.
test.each(['2024-01-01', '2026-10-01'])(
  'a request that was cancelled while it fetched keys keeps no other one waiting, at %s',
  async (date) => {
    // The first request for keys is never answered.
    answer = (response, nth) => nth > 1 && publish(response)
    const url = await start(date)
    const headers = { Authorization: await token() }
    const cancelled = fetch(url, { headers, signal: AbortSignal.timeout(500) }).catch(({ name }: Error) => name)
    const begun = Date.now()
    await expect.poll(() => asked, { timeout: 5000 }).toBe(1)
    const others = await Promise.all(Array.from({ length: 20 }, async () => (await fetch(url, { headers })).status))
    expect(await cancelled).toBe('TimeoutError')
    expect(others).toEqual(Array.from({ length: 20 }, () => 200))
    expect(Date.now() - begun).toBeLessThan(2500)
    // One of those that waited has fetched, and the others have waited for it.
    expect(asked).toBe(2)
    expect((await fetch(url, { headers })).status).toBe(200)
    expect(asked).toBe(2)
  },
)

test.each(['2024-01-01', '2026-10-01'])('requests at once share one fetch, at %s', async (date) => {
  answer = (response) => setTimeout(publish, 300, response)
  const url = await start(date)
  const headers = { Authorization: await token() }
  const all = await Promise.all(Array.from({ length: 50 }, async () => (await fetch(url, { headers })).status))
  expect(all).toEqual(Array.from({ length: 50 }, () => 200))
  expect(asked).toBe(1)
})

test('keys that nobody can have are answered 503, within seconds', async () => {
  answer = () => undefined
  const url = await start('2026-10-01')
  const headers = { Authorization: await token() }
  const begun = Date.now()
  const all = await Promise.all(Array.from({ length: 20 }, async () => (await fetch(url, { headers })).status))
  expect(all).toEqual(Array.from({ length: 20 }, () => 503))
  expect(Date.now() - begun).toBeLessThan(8000)
})
