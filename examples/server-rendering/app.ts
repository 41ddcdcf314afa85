/**
 * A server that renders pages for whoever is signed in. It reads the access cookie and never writes one: where that token is over, the
 * browser is sent to Tessera, and comes back with the next one. People sign in at the application itself, which then hands their browser
 * a ticket.
 *
 *   npm start -- --var RETURN_ORIGINS:http://localhost:3000 --var SIGN_IN_URL:http://localhost:3000/sign-in
 *   node --env-file=.dev.vars examples/server-rendering/app.ts
 */

import { readAccessCookie } from '../access-token.ts'
import { ORIGIN, serve, SERVICE_KEY, TESSERA } from '../serve.ts'

/** The application's own accounts, by name. It knows people by a guid, and checks their password in its own way. */
const ACCOUNTS: Readonly<Record<string, string>> = { ada: 'a1f3c0de-0000-4000-8000-00000000ada0' }

await serve(async (request, address) => {
  if (new URL(request.url).pathname === '/sign-in') return signIn(request, address)
  const claims = await readAccessCookie(request)
  if (claims !== null) return page(`<p>You are ${String(claims['guid'])}.</p>`)
  // What was posted would be lost on the way, and a script cannot follow to another origin.
  if (request.headers.get('Sec-Fetch-Mode') !== 'navigate' || request.method !== 'GET')
    return new Response(null, { status: 401 })
  return redirect(`${TESSERA}/refresh?to=${encodeURIComponent(request.url)}`)
})

async function signIn(request: Request, address: string): Promise<Response> {
  if (request.method === 'GET') return page(FORM)
  // A form of another site could sign people in to an account of its owner.
  if (request.headers.get('Sec-Fetch-Site') !== 'same-origin') return new Response(null, { status: 403 })
  const form = new URLSearchParams(await request.text())
  const guid = ACCOUNTS[form.get('name') ?? '']
  if (guid === undefined || form.get('password') !== 'secret') return page(FORM)
  const response = await fetch(`${TESSERA}/auth/tickets`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      Authorization: `Bearer ${SERVICE_KEY}`,
      // The ticket works in the place of this browser only.
      'Tessera-Client-IP': address,
    },
    body: JSON.stringify({ guid, to: returnAddress(request) }),
  })
  if (response.status !== 200) throw new Error(`Tessera answers ${response.status}: ${await response.text()}`)
  const { url }: { url: string } = await response.json()
  return redirect(url)
}

/** Where somebody wanted to go, if that is a page of this application. */
function returnAddress(request: Request): string {
  const to = URL.parse(new URL(request.url).searchParams.get('to') ?? '')
  return to?.origin === ORIGIN ? to.href : `${ORIGIN}/`
}

function redirect(to: string): Response {
  return new Response(null, { status: 303, headers: { Location: to, 'Cache-Control': 'no-store' } })
}

/** Posted to its own address, so that `to` stays. */
const FORM = `<form method="post">
  <label>Name <input name="name"></label>
  <label>Password <input name="password" type="password"></label>
  <button>Sign in</button>
</form>`

function page(content: string): Response {
  const headers = { 'Content-Type': 'text/html; charset=utf-8', 'Cache-Control': 'no-store' }
  return new Response(`<!doctype html>\n<meta charset="utf-8">\n<title>An example</title>\n${content}\n`, { headers })
}
