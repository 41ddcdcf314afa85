/**
 * Two hosts of one site: the application on app.example.com, Tessera on auth.example.com. `COOKIE_DOMAIN` gives the access cookie to
 * both, so that the application verifies it by itself; `CORS_ORIGINS` lets its pages sign in and refresh.
 *
 *   npm start -- --var CORS_ORIGINS:http://localhost:3000 --var REFRESH_REUSE_SECONDS:10
 *   node examples/two-hosts.ts
 *
 * On this machine both are on localhost, whose cookies go to every port: there, no domain is needed.
 */

import { readAccessCookie } from './access-token.ts'
import { answerPage } from './browser/page.ts'
import { serve, TESSERA } from './serve.ts'

await serve(async (request) => {
  if (new URL(request.url).pathname === '/me') {
    const claims = await readAccessCookie(request)
    return claims === null ? new Response(null, { status: 401 }) : Response.json({ guid: claims['guid'] })
  }
  return answerPage(request, TESSERA, '/me') ?? new Response(null, { status: 404 })
})
