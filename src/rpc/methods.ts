/** What each method does: the values of the call in their shapes, and the rule that HTTP has for it. */

import type { Services } from '../domain/services.ts'
import { introspect } from '../domain/sessions/introspect.ts'
import type { Pair } from '../domain/sessions/pair.ts'
import { refreshPair, refreshToken } from '../domain/sessions/refresh.ts'
import { requireIssuing, signInByGuid } from '../domain/sessions/sign-in.ts'
import { JWKS_SECONDS, parseToken, readToken } from '../domain/tokens/tokens.ts'
import { TesseraError } from '../errors.ts'
import { parseBody } from '../shape.ts'
import type { BindingProps, IssuedPair, Method, TokenServiceBinding } from './contract.ts'
import { actorOf } from './permission.ts'
import { clientOf, Facts, PresentedTokens, RefreshingCaller, RevokeOptions, Token, User } from './shapes.ts'

/** A call that its binding may make. */
export interface Call {
  readonly services: Services
  readonly props: BindingProps
  /** Takes work that goes on after the answer. */
  readonly afterwards: (work: Promise<void>) => void
}

/** The answer of a method, where it refuses nothing. */
type Answered<Name extends Method> = Omit<Extract<Awaited<ReturnType<TokenServiceBinding[Name]>>, { ok: true }>, 'ok'>

/** The address that stands in the ledger where nobody says from where an act was asked for (RFC 4291 section 2.5.2). */
const NO_ADDRESS = '::'

/** Each throws what its rule throws, and `wrong_data_structure` for values of another shape. */
export const METHODS: {
  readonly [Name in Method]: (call: Call, ...values: readonly unknown[]) => Promise<Answered<Name>>
} = {
  async verify({ services: { tokens, now } }, value) {
    const { token } = parseBody(Token, { token: value })
    const claims = await readToken(tokens, 'access', token, now())
    // The own claims of the account are of no shape that the rules know.
    return { claims: { ...parseToken(token).payload, ...claims } }
  },

  async keys({ services: { tokens } }) {
    return { keys: tokens.jwks.keys, maxAgeSeconds: JWKS_SECONDS }
  },

  async introspect({ services }, value) {
    const { token } = parseBody(Token, { token: value })
    return { introspection: await introspect(services, token) }
  },

  async issue({ services }, user, facts) {
    requireIssuing(services)
    const { guid } = parseBody(User, { guid: user })
    const client = clientOf(parseBody(Facts, facts, 'client'))
    return describePair(await signInByGuid(services, guid, { client, issuer: issuerOf(services), cookies: [] }))
  },

  async refresh({ services }, presented, caller) {
    const { access, refresh } = parseBody(PresentedTokens, presented, 'pair')
    const { dpop, ...facts } = parseBody(RefreshingCaller, caller, 'caller')
    const by = {
      client: clientOf(facts),
      issuer: issuerOf(services),
      ...(dpop && { proof: await readProof(dpop.proof, dpop, services.now()) }),
    }
    const pair = await (typeof access === 'string'
      ? refreshPair(services, { access, refresh }, by)
      : refreshToken(services, refresh, by))
    // Over HTTP its browser would be told to go on with the access token that it has.
    if (pair === null) throw new TesseraError('device_proof_required')
    return describePair(pair)
  },

  async revokeUser({ services, props, afterwards }, user, options) {
    const key = actorOf(props)
    const { guid } = parseBody(User, { guid: user })
    const facts = parseBody(RevokeOptions, options, 'options')?.client
    const client = facts ? clientOf(facts) : { ...NOBODY, address: NO_ADDRESS }
    const { endSessionsOf } = await import('../domain/operators/end-user.ts')
    await endSessionsOf(services, guid, { key, client, issuer: issuerOf(services), afterwards })
    return {}
  },
}

const NOBODY = { asn: null, country: null, city: null, provider: null, userAgent: null }

/** Few clients prove anything. */
async function readProof(text: string, target: { readonly method: string; readonly url: string }, now: number) {
  const { readDpopProof } = await import('../domain/tokens/dpop.ts')
  return readDpopProof(text, target, now)
}

/**
 * The issuer of the tokens that a call gets. A call has no address under which this deployment was reached, so that only `PUBLIC_URL` says it. Throws
 * `unavailable` where that is not set.
 */
function issuerOf({ settings: { publicUrl, basePath } }: Pick<Services, 'settings'>): string {
  if (publicUrl === undefined) throw new TesseraError('unavailable', { cause: 'PUBLIC_URL is missing' })
  return `${publicUrl}${basePath}`
}

function describePair({ access, refresh, account, accessExpiresAt, expiresAt, session }: Pair): IssuedPair {
  const { id, guid, email, group } = account
  return {
    access,
    refresh,
    accessExpiresAt,
    refreshExpiresAt: expiresAt,
    isBound: session.binding !== null,
    account: { id, guid, email, group },
  }
}
