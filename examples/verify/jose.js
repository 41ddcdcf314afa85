/** jose, for whatever runs JavaScript: ISSUER=https://auth.example.com AUDIENCE=api node jose.js */

import { createServer } from 'node:http'

import { createRemoteJWKSet, errors, jwtVerify } from 'jose'

const { ISSUER, AUDIENCE, PORT } = process.env
const keys = createRemoteJWKSet(new URL(`${ISSUER}/.well-known/jwks.json`))
/** What jose throws where it could not get the keys: that says nothing about the token. */
const NO_KEYS = new Set(['ERR_JOSE_GENERIC', 'ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID'])

const server = createServer(async (request, response) => {
  const token = request.headers.authorization?.replace(/^Bearer /i, '') ?? ''
  try {
    const { payload } = await jwtVerify(token, keys, { issuer: ISSUER, audience: AUDIENCE, algorithms: ['ES256'] })
    response.end(payload.sub)
  } catch (error) {
    response.statusCode = error instanceof errors.JOSEError && !NO_KEYS.has(error.code) ? 401 : 503
    response.end()
  }
})
server.listen(PORT, () => console.log(`listens on port ${server.address().port}`))
