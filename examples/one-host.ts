/**
 * One host: Tessera answers below a path of the application's own host, so that everything is one origin. No CORS, no cookie for other
 * hosts, and the strictest cookies work.
 *
 *   npm start -- --var BASE_PATH:/tessera --var PUBLIC_URL:http://localhost:3000 --var REFRESH_REUSE_SECONDS:10
 *   TESSERA=http://localhost:3000/tessera node examples/one-host.ts
 *
 * In production, a route of Cloudflare sends `example.com/tessera/*` to Tessera. On a machine without one, this passes that path on.
 */

import { type IncomingMessage, request as ask } from 'node:http'
import { text as readText } from 'node:stream/consumers'

import { readAccessCookie } from './access-token.ts'
import { answerPage } from './browser/page.ts'
import { serve, TESSERA } from './serve.ts'

/** Where Tessera runs on this machine. */
const INSIDE = process.env['INSIDE'] ?? 'http://localhost:8787'
const base = new URL(TESSERA).pathname

await serve(async (request) => {
  const { pathname } = new URL(request.url)
  if (pathname.startsWith(`${base}/`)) return passOn(request)
  if (pathname === '/me') {
    const claims = await readAccessCookie(request)
    return claims === null ? new Response(null, { status: 401 }) : Response.json({ guid: claims['guid'] })
  }
  return answerPage(request, base, '/me') ?? new Response(null, { status: 404 })
})

/** What the route of Cloudflare does. Not by `fetch`, which would say of itself, in `Sec-Fetch-Mode`, what the browser said. */
async function passOn(request: Request): Promise<Response> {
  const { pathname, search } = new URL(request.url)
  const body = await request.text()
  const { 'content-length': _length, connection: _connection, ...headers } = Object.fromEntries(request.headers)
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const options = { method: request.method, headers: { ...headers, 'accept-encoding': 'identity' } }
    ask(INSIDE + pathname + search, options, resolve)
      .on('error', reject)
      .end(body)
  })
  const answered = new Headers()
  for (const [name, values = []] of Object.entries(answer.headersDistinct)) {
    for (const value of values) answered.append(name, value)
  }
  return new Response((await readText(answer)) || null, { status: answer.statusCode ?? 502, headers: answered })
}
