/**
 * What gateways and frameworks configure themselves by from the issuer's URL alone (RFC 8414, OpenID Connect Discovery 1.0): where the
 * keys are, and which algorithms they are for. Only what is true here: there is no authorization endpoint and no ID token. What generators
 * build clients from, the OpenAPI document, is loaded with the first request for it, and so is what people and machines read about it.
 */

import type { Context } from 'hono'

import type { Metadata } from '../answer/answer-contract.ts'
import { createNonce, setPageHeaders } from '../answer/page-headers.ts'
import { type AppEnv, factory } from '../factory.ts'
import { readIssuer } from '../request/caller.ts'

/** As long as the keys: both change by a deploy alone. */
const MAX_AGE_SECONDS = 300

/** Of access tokens, beside `aud`, which they have where `AUDIENCE` is set. */
const CLAIMS = ['iss', 'sub', 'id', 'guid', 'group', 'sid', 'jti', 'iat', 'exp', 'token_type']

export const discoveryRoutes = factory
  .createApp()
  .get('/.well-known/openid-configuration', answerMetadata)
  .get('/.well-known/oauth-authorization-server', answerMetadata)
  .get('/docs/*', answerReference)
  .get('/llms.txt', answerReference)
  .get('/openapi.json', async (c) => {
    const { answerDocument } = await import('../openapi/document.ts')
    return answerDocument(c)
  })

// The headers of pages are handed over: what a later module imports becomes a file by itself, a third of a KiB of the core.
async function answerReference(c: Context<AppEnv>): Promise<Response> {
  const reference = await import('../reference/answer.ts')
  return reference.answerReference(c, createNonce(), setPageHeaders)
}

function answerMetadata(c: Context<AppEnv>): Response {
  const { tokens, settings } = c.env
  const issuer = readIssuer(c)
  c.header('Cache-Control', `public, max-age=${MAX_AGE_SECONDS}`)
  const metadata: Metadata = {
    issuer,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    introspection_endpoint: `${issuer}/auth/token/introspect`,
    // The scheme of the service key, from the registry that RFC 8414 section 2 names for it.
    introspection_endpoint_auth_methods_supported: ['Bearer'],
    revocation_endpoint: `${issuer}/auth/token/revoke`,
    revocation_endpoint_auth_methods_supported: ['none'],
    // Readers need the lists below, or take a default for them that is not true here; these are empty rather than absent.
    response_types_supported: [],
    grant_types_supported: [],
    subject_types_supported: ['public'],
    // The one name that readers know for algorithms of tokens. Those of all keys: a token may be older than a change of them.
    id_token_signing_alg_values_supported: [...new Set(tokens.jwks.keys.map(({ alg }) => alg))],
    claims_supported: settings.audience === undefined ? CLAIMS : [...CLAIMS, 'aud'],
  }
  return c.json(metadata)
}
