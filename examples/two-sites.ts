/**
 * Two sites: the application on shop.example, Tessera on auth.example.com. The pages ask Tessera with cookies of a third party, which
 * not every browser sends: where that matters, choose a back end for the front end instead.
 *
 *   npm start -- --var CORS_ORIGINS:http://127.0.0.1:3000 --var COOKIE_SAMESITE:none --var REFRESH_REUSE_SECONDS:10
 *   ORIGIN=http://127.0.0.1:3000 node examples/two-sites.ts
 *
 * The application gets no cookie of Tessera: who is signed in, its pages ask Tessera itself.
 */

import { answerPage } from './browser/page.ts'
import { serve, TESSERA } from './serve.ts'

await serve((request) => answerPage(request, TESSERA, `${TESSERA}/auth/me`) ?? new Response(null, { status: 404 }))
