/**
 * A back end for the front end: the browser has a cookie of the application alone, and the back end keeps the pair. It asks Tessera by
 * JSON, and says by the service key whose request it is: the place of a session is that of its browser.
 *
 *   npm start
 *   node --env-file=.dev.vars examples/back-end-for-front-end.ts
 */

import { verifyAccessToken, readCookie } from './access-token.ts'
import { serve, SERVICE_KEY, TESSERA } from './serve.ts'

interface Pair {
  readonly access: string
  readonly refresh: string
}

interface Session {
  pair: Pair
  /** The refresh that is under way: two requests of one browser must not both present the same token. */
  refreshing?: Promise<boolean> | undefined
}

/** By the value of the browser's cookie. A real one is a table of your database: a restart must not sign everybody out. */
const sessions = new Map<string, Session>()

await serve(async (request, address) => {
  const { pathname } = new URL(request.url)
  // A form of another site is not ours: SameSite=Lax would keep the cookie away from it, but signing in needs none.
  if (request.method === 'POST' && request.headers.get('Sec-Fetch-Site') !== 'same-origin')
    return text(403, 'Forbidden')
  const id = readCookie(request, '__Host-session')
  switch (`${request.method} ${pathname}`) {
    case 'POST /sign-in':
      return signIn(request, address)
    case 'POST /sign-out':
      return signOut(id)
    case 'GET /':
      return home(request, id, address)
    default:
      return text(404, 'Not found')
  }
})

async function signIn(request: Request, address: string): Promise<Response> {
  const form = new URLSearchParams(await request.text())
  const response = await ask(request, address, '/auth/token', {
    primary_email: form.get('email') ?? '',
    password: form.get('password') ?? '',
  })
  if (response.status !== 200) return page(response.status, 'That did not work.')
  const id = crypto.randomUUID()
  const pair: Pair = await response.json()
  sessions.set(id, { pair })
  return redirect('/', `__Host-session=${id}; Path=/; Secure; HttpOnly; SameSite=Lax`)
}

async function home(request: Request, id: string, address: string): Promise<Response> {
  const session = sessions.get(id)
  if (session === undefined) return page(200, 'You are nobody.')
  let claims = await verifyAccessToken(session.pair.access)
  if (claims === null) {
    session.refreshing ??= refresh(request, session, address).finally(() => (session.refreshing = undefined))
    if (await session.refreshing) claims = await verifyAccessToken(session.pair.access)
    else sessions.delete(id)
  }
  return page(200, claims === null ? 'You were signed out.' : `You are ${String(claims['guid'])}.`)
}

/** Whether the session goes on. Trouble is no answer to that: it is thrown, and the pair kept. */
async function refresh(request: Request, session: Session, address: string): Promise<boolean> {
  const response = await ask(request, address, '/auth/token/refresh', { refresh: session.pair.refresh })
  if (response.status === 401) return false
  if (response.status !== 200) throw new Error(`Tessera answers ${response.status}`)
  session.pair = await response.json()
  return true
}

async function signOut(id: string): Promise<Response> {
  const session = sessions.get(id)
  sessions.delete(id)
  if (session !== undefined) {
    const body = JSON.stringify({ refresh: session.pair.refresh })
    const headers = { 'Content-Type': 'application/json' }
    await fetch(`${TESSERA}/auth/token/revoke`, { method: 'POST', headers, body })
  }
  return redirect('/', '__Host-session=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0')
}

/** Asks Tessera on behalf of the browser. */
function ask(request: Request, address: string, path: string, body: object): Promise<Response> {
  const headers = {
    'Content-Type': 'application/json',
    Authorization: `Bearer ${SERVICE_KEY}`,
    'Tessera-Client-IP': address,
    'Tessera-Client-User-Agent': request.headers.get('User-Agent') ?? '',
  }
  return fetch(TESSERA + path, { method: 'POST', headers, body: JSON.stringify(body) })
}

function redirect(to: string, cookie: string): Response {
  return new Response(null, { status: 303, headers: { Location: to, 'Set-Cookie': cookie } })
}

function text(status: number, words: string): Response {
  return new Response(words, { status })
}

function page(status: number, words: string): Response {
  const html = `<!doctype html>
<meta charset="utf-8">
<title>An example</title>
<p>${words}</p>
<form method="post" action="/sign-in">
  <label>E-mail <input name="email" type="email"></label>
  <label>Password <input name="password" type="password"></label>
  <button>Sign in</button>
</form>
<form method="post" action="/sign-out"><button>Sign out</button></form>
`
  const headers = { 'Content-Type': 'text/html; charset=utf-8', 'Cache-Control': 'no-store' }
  return new Response(html, { status, headers })
}
