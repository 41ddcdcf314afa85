/** jsonwebtoken with jwks-rsa, which knows more than RSA: ISSUER=… AUDIENCE=api node jsonwebtoken.js */

import { createServer } from 'node:http'

import jwt from 'jsonwebtoken'
import jwksRsa from 'jwks-rsa'

const { ISSUER, AUDIENCE, PORT } = process.env
const keys = jwksRsa({
  jwksUri: `${ISSUER}/.well-known/jwks.json`,
  cacheMaxAge: 300_000,
  timeout: 5000,
  rateLimit: true,
})

/** The account of a good token, or the status to answer with. */
async function verify(token) {
  const kid = jwt.decode(token, { complete: true })?.header.kid
  if (kid === undefined) return 401
  try {
    const key = await keys.getSigningKey(kid)
    const options = { algorithms: ['ES256'], issuer: ISSUER, audience: AUDIENCE }
    return jwt.verify(token, key.getPublicKey(), options).sub
  } catch (error) {
    // Keys that cannot be had say nothing about the token.
    return error instanceof jwt.JsonWebTokenError || error.name === 'SigningKeyNotFoundError' ? 401 : 503
  }
}

const server = createServer(async (request, response) => {
  const outcome = await verify(request.headers.authorization?.replace(/^Bearer /i, '') ?? '')
  if (typeof outcome === 'number') response.statusCode = outcome
  response.end(String(outcome))
})
server.listen(PORT, () => console.log(`listens on port ${server.address().port}`))
