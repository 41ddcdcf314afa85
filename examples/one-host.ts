/**
 * One host: Tessera answers below a path of the application's own host, so that everything is one origin. No CORS, no cookie for other
 * hosts, and the strictest cookies work.
 *
 *   npm start -- --var BASE_PATH:/tessera --var PUBLIC_URL:http://localhost:3000 --var REFRESH_REUSE_SECONDS:10
 *   TESSERA=http://localhost:3000/tessera node examples/one-host.ts
 *
 * In production, a route of Cloudflare sends `example.com/tessera/*` to Tessera. On a machine without one, this passes that path on.
 */

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

/** What the route of Cloudflare does. */
async function passOn(request: Request): Promise<Response> {
  const { pathname, search } = new URL(request.url)
  const names = [
    'Accept',
    'Authorization',
    'Content-Type',
    'Cookie',
    'Sec-Fetch-Dest',
    'Sec-Fetch-Mode',
    'Sec-Fetch-Site',
    'User-Agent',
  ]
  const headers = names.flatMap((name) => {
    const value = request.headers.get(name)
    return value === null ? [] : [[name, value] as const]
  })
  const {
    status,
    headers: answered,
    body,
  } = await fetch(`${INSIDE}${pathname}${search}`, {
    method: request.method,
    // Compressed, it would arrive here as plain text below a header that says otherwise.
    headers: { ...Object.fromEntries(headers), 'Accept-Encoding': 'identity' },
    body: request.method === 'GET' ? null : await request.text(),
    redirect: 'manual',
  })
  return new Response(body, { status, headers: answered })
}
