/** The page of the examples whose pair is in cookies: who is signed in, a form to sign in, and a button to sign out. */

import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'

const script = stripTypeScriptTypes(readFileSync(join(import.meta.dirname, 'session.ts'), 'utf8'))

/** The page, or its script; `null` for any other path. `me` is the URL that says who is signed in. */
export function answerPage(request: Request, tessera: string, me: string): Response | null {
  switch (new URL(request.url).pathname) {
    case '/':
      return new Response(page(tessera, me), { headers: { 'Content-Type': 'text/html; charset=utf-8' } })
    case '/session.js':
      return new Response(script, { headers: { 'Content-Type': 'text/javascript; charset=utf-8' } })
    default:
      return null
  }
}

function page(tessera: string, me: string): string {
  return `<!doctype html>
<meta charset="utf-8">
<title>An example</title>
<p>You are <output>…</output></p>
<form>
  <label>E-mail <input name="email" type="email"></label>
  <label>Password <input name="password" type="password"></label>
  <button>Sign in</button>
</form>
<button id="out">Sign out</button>
<script type="module">
  import { createSession } from '/session.js'

  const session = createSession(${JSON.stringify(tessera)})
  const form = document.querySelector('form')

  async function show() {
    const response = await session.fetch(${JSON.stringify(me)})
    document.querySelector('output').textContent = response.ok ? (await response.json()).guid : 'nobody'
  }
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    const { email, password } = Object.fromEntries(new FormData(form))
    await session.signIn(email, password)
    await show()
  })
  document.querySelector('#out').addEventListener('click', async () => {
    await session.signOut()
    await show()
  })
  await show()
</script>
`
}
