/** Headers of requests and of answers, as components of the document. */

import type { oas32 } from 'zod-openapi'

import { CLIENT_HEADERS } from '../request/named-client.ts'

/** What answers carry, where an operation promises it. */
export const ANSWER_HEADERS = {
  'Set-Cookie': {
    description:
      'Each cookie in a header of its own: `HttpOnly`, `SameSite`, and `Secure` but for plain http on this machine',
    schema: { type: 'string' },
  },
  'Secure-Session-Registration': {
    description:
      'Offers a browser over https to bind the session to a key of its device, unless `DEVICE_BINDING` is `off`',
    schema: { type: 'string' },
  },
  'Secure-Session-Challenge': {
    description: 'What a browser has to sign for its next refresh, and for which session: `"…";id="…"`',
    schema: { type: 'string' },
  },
  Location: { description: 'Where the browser goes on to', schema: { type: 'string' } },
  'WWW-Authenticate': {
    description: '`Bearer`; for want of a good DPoP proof `DPoP error="invalid_dpop_proof", algs="ES256"`',
    required: true,
    schema: { type: 'string' },
  },
  'Retry-After': {
    description: 'After how many seconds to try again',
    required: true,
    schema: { type: 'integer', minimum: 0 },
  },
  Allow: { description: 'The methods that the path has', required: true, schema: { type: 'string' } },
  'Cache-Control': { description: 'For how long it may be kept', required: true, schema: { type: 'string' } },
} as const satisfies Readonly<Record<string, oas32.HeaderObject>>

export type HeaderName = keyof typeof ANSWER_HEADERS

/** References to them, for an answer. */
export function headers(...names: readonly HeaderName[]): oas32.HeadersObject {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]))
}

const OF_CLIENT = {
  address:
    'The address of the client that a back end asks for, IPv4 or IPv6. It counts with a service key that may `issue`',
  country: 'Its country, a code of ISO 3166-1 in capitals; `XX` where it is not known',
  asn: 'The number of its network',
  city: 'Its city, percent-encoded or in UTF-8, at most 128 characters',
  userAgent: 'Its `User-Agent`',
} as const satisfies Readonly<Record<keyof typeof CLIENT_HEADERS, string>>

const PATTERNS: Readonly<Partial<Record<keyof typeof CLIENT_HEADERS, string>>> = {
  country: '^([A-Z][A-Z\\d])?$',
  asn: '^([1-9]\\d{0,9})?$',
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of an object without others
const CLIENT_PARTS = Object.keys(CLIENT_HEADERS) as (keyof typeof CLIENT_HEADERS)[]

/** What requests may carry beside their credentials. */
export const REQUEST_HEADERS: Readonly<Record<string, oas32.ParameterObject>> = {
  ...Object.fromEntries(
    CLIENT_PARTS.map((part) => {
      const pattern = PATTERNS[part]
      const schema = { type: 'string', ...(pattern !== undefined && { pattern }) } as const
      return [CLIENT_HEADERS[part], { name: CLIENT_HEADERS[part], in: 'header', description: OF_CLIENT[part], schema }]
    }),
  ),
  'Accept-Language': {
    name: 'Accept-Language',
    in: 'header',
    description: 'The language of the mails of the account',
    schema: { type: 'string' },
  },
  'Secure-Session-Response': {
    name: 'Secure-Session-Response',
    in: 'header',
    description: 'The challenge, signed by the key of the browser: a JWT, in quotes',
    schema: { type: 'string' },
  },
  'Sec-Secure-Session-Id': {
    name: 'Sec-Secure-Session-Id',
    in: 'header',
    description: 'Which session the browser means, in quotes',
    schema: { type: 'string' },
  },
}

/** References to the headers by which a back end names its client. */
export const NAMED_CLIENT = parameters(...Object.values(CLIENT_HEADERS))

/** References to request headers. */
export function parameters(...names: readonly string[]): oas32.ReferenceObject[] {
  return names.map((name) => ({ $ref: `#/components/parameters/${name}` }))
}
