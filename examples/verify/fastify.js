/** @fastify/jwt with get-jwks: ISSUER=… AUDIENCE=api node fastify.js */

import jwt from '@fastify/jwt'
import Fastify from 'fastify'
import buildGetJwks from 'get-jwks'

const { ISSUER, AUDIENCE, PORT } = process.env
const jwks = buildGetJwks({ issuersWhitelist: [ISSUER], jwksPath: '/.well-known/jwks.json' })

const app = Fastify()
await app.register(jwt, {
  decode: { complete: true },
  secret: (_request, { header: { kid, alg } }) => jwks.getPublicKey({ kid, alg, domain: ISSUER }),
  verify: { algorithms: ['ES256'], allowedIss: ISSUER, allowedAud: AUDIENCE },
})
app.addHook('onRequest', (request) => request.jwtVerify())
app.get('/', (request) => request.user.sub)
app.setErrorHandler((error, _request, reply) => {
  // A key that is not there is a fault of the token; keys that cannot be had say nothing about it.
  const status = error.code === 'JWK_NOT_FOUND' ? 401 : (error.statusCode ?? 503)
  return reply.code(status).send()
})

const address = await app.listen({ port: Number(PORT) })
console.log(`listens on port ${new URL(address).port}`)
