/** express-oauth2-jwt-bearer, the middleware of Auth0: it finds everything by the issuer, and wants an audience. ISSUER=… AUDIENCE=api node express-oauth2-jwt-bearer.js */

import express from 'express'
import { auth } from 'express-oauth2-jwt-bearer'

const { ISSUER, AUDIENCE, PORT } = process.env

const app = express()
app.use(auth({ issuerBaseURL: ISSUER, audience: AUDIENCE, tokenSigningAlg: 'ES256' }))
app.get('/', (request, response) => response.send(request.auth.payload.sub))
app.use((error, _request, response, next) => {
  // The middleware says 401 for keys that it cannot get, which is no verdict on the token.
  if (/Failed to fetch|Expected 200 OK|timed out/.test(error.message)) return response.sendStatus(503)
  return next(error)
})

const server = app.listen(PORT, () => console.log(`listens on port ${server.address().port}`))
