/**
 * The shapes of answers, as callers get them: what `describe.ts` and the routes beside it write. Loaded for the OpenAPI document alone; what
 * writes an answer knows its type.
 */

import * as z from 'zod/mini'

import type { PARTS } from '../../domain/health.ts'
import { ERRORS, type ErrorCode, type FieldErrors } from '../../errors.ts'
import { described, named } from '../openapi/describe.ts'

/** Seconds since 1970. */
export function seconds(description: string) {
  return described(z.int(), `${description}, in seconds since 1970`, 1_795_975_729)
}

export function text(description: string, ...examples: readonly string[]) {
  return described(z.string(), description, ...examples)
}

/** A text, or null where it is not known. */
export function textOrNull(description: string, ...examples: readonly string[]) {
  return described(z.nullable(z.string()), description, ...examples)
}

export function guid(description: string) {
  return described(z.guid(), description, 'a89393c1-4eb8-46e3-8f75-14661ac90ac8')
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of the closed table are its codes, and there are some
export const CODES = Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]

export const Problem = named(
  z.object({
    type: text(
      'A URL: what this error means and what to do about it, in the catalogue of the deployment. `about:blank` where the deployment cannot say where it is',
      'https://auth.example.com/docs/errors#token_used',
    ),
    title: text('The status in words'),
    status: described(z.int(), 'The status of the answer'),
    detail: text('What callers see, to the letter'),
    code: described(z.enum(CODES), 'Which error it is: stable, and what a client decides by'),
    errors: described(
      z.exactOptional(z.record(z.string(), z.array(z.string()))),
      'Which fields were wrong, and how; `body` is the whole body',
    ),
  }),
  'Problem',
  'An error (RFC 9457)',
)
export type Problem = Omit<z.output<typeof Problem>, 'errors'> & { readonly errors?: FieldErrors }

const ACCOUNT = {
  email: () => textOrNull('The address of the account; null where it has none', 'confirmed@example.com'),
  user_id: () => described(z.int(), 'The integer key of the account', 1),
  group: () => text('For the own use of whoever runs the deployment', 'user'),
}

export const TokenPair = named(
  z.object({
    access: text('The access token: a JWT, which any back end verifies with the public keys'),
    refresh: text('The refresh token, which is good once'),
    email: ACCOUNT.email(),
    user_id: ACCOUNT.user_id(),
    group: ACCOUNT.group(),
    token_type: described(
      z.exactOptional(z.literal('DPoP')),
      'The session is bound to the key of a DPoP proof, and its refresh token wants a proof. The access token is a bearer token all the same',
    ),
  }),
  'TokenPair',
  'A pair of tokens, and whose it is',
)
export type TokenPair = z.output<typeof TokenPair>

const account = () => ({
  email: ACCOUNT.email(),
  user_id: ACCOUNT.user_id(),
  guid: guid('The account, as other systems know it'),
  group: ACCOUNT.group(),
})

export const AccountAnswer = named(z.object(account()), 'Account', 'An account, as its owner sees it')
export type AccountAnswer = z.output<typeof AccountAnswer>

export const OwnAccount = named(
  z.object({ ...account(), confirmed: described(z.boolean(), 'Whether the address was confirmed') }),
  'OwnAccount',
  'The account of whoever asks',
)
export type OwnAccount = z.output<typeof OwnAccount>

const whereabouts = () => ({
  city: textOrNull('Its city', 'Austin'),
  country: textOrNull('Its country, as ISO 3166-1 has it', 'US'),
  network: textOrNull('The name of its network'),
})

const seen = () => ({
  ip: text('The address of the client', '203.0.113.7'),
  ...whereabouts(),
  user_agent: textOrNull('Its `User-Agent`'),
})

const listedSession = () => ({
  sid: text('The session'),
  created_at: seconds('When it was opened'),
  last_used_at: seconds('When its last pair was issued'),
  expires_at: seconds('When it ends, unless it is refreshed'),
  ...seen(),
  bound: described(z.nullable(z.enum(['dpop', 'dbsc'])), 'How its key is proved; null where it is bound to none'),
  last_seen: described(z.object(seen()), 'Where it was refreshed last, also where that was a visit to another place'),
})

export const ListedSession = named(z.object(listedSession()), 'Session', 'A live session')
export type ListedSession = z.output<typeof ListedSession>

export const OwnSession = named(
  z.object({ ...listedSession(), current: described(z.boolean(), 'Whether it is the one that asks') }),
  'OwnSession',
  'A live session of the account that asks',
)
export type OwnSession = z.output<typeof OwnSession>

export const AllowedPlace = named(
  z.object({
    id: described(z.int(), 'The place', 1),
    place: text('The place, as wide as `LOCATION_POLICY` has it'),
    ...whereabouts(),
    created_at: seconds('When it was allowed'),
    expires_at: seconds('Until when it is allowed'),
  }),
  'AllowedPlace',
  'A place that the owner allowed',
)
export type AllowedPlace = z.output<typeof AllowedPlace>

export const Accepted = named(
  z.object({ detail: text('The same for every address', 'If this can be done, a mail is on its way') }),
  'Accepted',
  'The same answer for every address: it tells of none whether it has an account',
)

export const TicketAnswer = named(
  z.object({
    url: text(
      'For one browser, to be opened by a navigation',
      'https://auth.example.org/a89393c1-4eb8-46e3-8f75-14661ac90ac8?ticket=…',
    ),
    expires_in: described(z.int(), 'For how many seconds it works', 60),
  }),
  'Ticket',
  'A URL that opens one session',
)

const Inactive = z.object({ active: z.literal(false) })
const Active = z.looseObject({
  active: z.literal(true),
  token_type: described(z.enum(['access', 'refresh']), 'Which token of the pair it is'),
  iss: text('The issuer'),
  sub: guid('The account'),
  aud: described(z.exactOptional(z.string()), 'The audience, where `AUDIENCE` is set'),
  exp: seconds('When the token ends'),
  iat: seconds('When it was signed'),
  jti: text('What the tokens of a pair have in common'),
  sid: text('The session'),
  user_id: ACCOUNT.user_id(),
  group: ACCOUNT.group(),
  username: ACCOUNT.email(),
  cnf: described(
    z.exactOptional(z.object({ jkt: text('The thumbprint of the key (RFC 7638)') })),
    'The key that the session is bound to (RFC 7800)',
  ),
})
export const IntrospectionAnswer = named(
  z.union([Active, Inactive]),
  'Introspection',
  'The state of a token (RFC 7662); beside these fields stand the own claims of the account',
)

export const DeviceSession = named(
  z.object({
    session_identifier: text('The session'),
    refresh_url: text('Where the browser refreshes it', '/refresh/device'),
    scope: z.object({
      origin: text('Whose requests wait for a fresh cookie'),
      include_site: z.literal(false),
      scope_specification: z.array(z.object({ type: z.literal('exclude'), domain: z.string(), path: z.string() })),
    }),
    allowed_refresh_initiators: z.array(z.string()),
    credentials: z.array(z.object({ type: z.literal('cookie'), name: z.string(), attributes: z.string() })),
  }),
  'DeviceSession',
  'What a browser has to know of the session that it has bound (Device Bound Session Credentials)',
)
export type DeviceSession = z.output<typeof DeviceSession>

const key = { use: z.literal('sig'), kid: text('The name of the key, as the header of a token has it') }
export const KeySet = named(
  z.object({
    keys: z.array(
      z.union([
        z.object({
          kty: z.literal('EC'),
          crv: z.literal('P-256'),
          x: z.string(),
          y: z.string(),
          alg: z.literal('ES256'),
          ...key,
        }),
        z.object({ kty: z.literal('RSA'), n: z.string(), e: z.string(), alg: z.literal('RS256'), ...key }),
      ]),
    ),
  }),
  'KeySet',
  'The public keys of access tokens (RFC 7517)',
)

export const Metadata = named(
  z.object({
    issuer: text('The issuer of every token', 'https://auth.example.org'),
    jwks_uri: z.string(),
    introspection_endpoint: z.string(),
    introspection_endpoint_auth_methods_supported: z.array(z.string()),
    revocation_endpoint: z.string(),
    revocation_endpoint_auth_methods_supported: z.array(z.string()),
    response_types_supported: described(z.array(z.string()), 'None: there is no authorization endpoint'),
    grant_types_supported: described(z.array(z.string()), 'None: there is no token endpoint of OAuth'),
    subject_types_supported: z.array(z.string()),
    id_token_signing_alg_values_supported: described(z.array(z.string()), 'The algorithms of access tokens'),
    claims_supported: z.array(z.string()),
  }),
  'Metadata',
  'What gateways configure themselves by (RFC 8414)',
)
export type Metadata = z.output<typeof Metadata>

const Condition = z.enum(['ok', 'not ok', 'unknown'])
const checks = { configuration: Condition, keys: Condition, database: Condition, queue: Condition, sender: Condition }
export const HealthAnswer = named(
  z.object({
    status: described(z.enum(['ok', 'not ok']), 'Whether every part is ok'),
    checks: z.object(checks satisfies Readonly<Record<(typeof PARTS)[number], z.ZodMiniType>>),
  }),
  'Health',
  'What works of this deployment. Its log says why something does not',
)
export type HealthAnswer = z.output<typeof HealthAnswer>
