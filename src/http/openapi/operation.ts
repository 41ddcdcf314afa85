/** One operation of the document: what it takes, what it answers, and which errors of the closed table it may answer with. */

import type * as z from 'zod/mini'
import type { oas32, ZodOpenApiContentObject, ZodOpenApiOperationObject, ZodOpenApiResponsesObject } from 'zod-openapi'

import type { ErrorCode } from '../../errors.ts'
import { headers, type HeaderName } from './headers.ts'
import { type ErrorForm, refusalsOf } from './refusals.ts'

/** What operations are grouped by, and what each group is. */
export const TAGS = {
  tokens: 'The JSON transport, for everything that is no browser: tokens stand in bodies, and no cookie is set',
  cookies: 'The cookie transport, for browsers: tokens stand in cookies, and never in a body',
  account: 'What the owner of an account sees and ends',
  registration: 'Accounts and passwords, as their owners open and change them',
  administration: 'What operators do, by a service key with the scope `admin`',
  deployment: 'What a deployment says of itself',
} as const satisfies Readonly<Record<string, string>>

/** How a caller shows who it is. Each of a list will do; all of one entry go together. */
export const SECURITY = {
  accessToken: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'The access token of a pair',
  },
  accessCookie: { type: 'apiKey', in: 'cookie', name: 'access_token', description: 'The access token of a browser' },
  refreshCookie: {
    type: 'apiKey',
    in: 'cookie',
    name: 'refresh_token',
    description: 'The refresh token of a browser, which sends it below `/refresh` alone',
  },
  serviceKey: {
    type: 'http',
    scheme: 'bearer',
    description: 'The service key of a back end, with the scope that is needed',
  },
  dpop: {
    type: 'apiKey',
    in: 'header',
    name: 'DPoP',
    description: 'A proof of the key that the session is bound to, for this request alone (RFC 9449)',
  },
} as const satisfies Readonly<Record<string, oas32.SecuritySchemeObject>>

type Scheme = keyof typeof SECURITY

/** An answer that is no refusal. */
export interface Answer {
  readonly description: string
  readonly headers?: readonly HeaderName[]
  readonly json?: z.ZodMiniType
  /** A page for people may stand in its place. */
  readonly page?: true
}

export interface Operation {
  /** Names the function of a generated client: it does not change. */
  readonly id: string
  readonly tag: keyof typeof TAGS
  readonly summary: string
  readonly description?: string
  /** Whoever asks needs the schemes of one of these; an empty one is nothing at all. */
  readonly security: readonly (readonly Scheme[])[]
  readonly path?: z.ZodMiniObject
  readonly query?: z.ZodMiniObject
  readonly headers?: readonly oas32.ReferenceObject[]
  /** By media type. */
  readonly body?: Readonly<Record<string, z.ZodMiniType | oas32.SchemaObject>>
  readonly answers: Readonly<Partial<Record<200 | 201 | 202 | 204 | 303 | 503, Answer>>>
  readonly refusals: readonly ErrorCode[]
  readonly errorForm?: ErrorForm
}

/** By method and path, as routes are: `GET /auth/me`. */
export type Operations = Readonly<Record<`${'GET' | 'POST' | 'PATCH' | 'DELETE'} /${string}`, Operation>>

/** What a body may be refused for. */
export const BODY = [
  'wrong_data_structure',
  'payload_too_large',
  'unsupported_media_type',
] as const satisfies readonly ErrorCode[]

/** The operation, as zod-openapi takes it. */
export function toOpenApi(operation: Operation): ZodOpenApiOperationObject {
  const { id, tag, summary, description, path, query, body, answers, refusals, errorForm = 'problem' } = operation
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description !== undefined && { description }),
    security: operation.security.map((schemes) => Object.fromEntries(schemes.map((scheme) => [scheme, []]))),
    ...(operation.headers !== undefined && { parameters: [...operation.headers] }),
    requestParams: { ...(path !== undefined && { path }), ...(query !== undefined && { query }) },
    ...(body !== undefined && {
      requestBody: {
        required: true,
        content: Object.fromEntries(Object.entries(body).map(([type, schema]) => [type, { schema }])),
      },
    }),
    responses: { ...Object.fromEntries(Object.entries(answers).map(toResponse)), ...refusalsOf(refusals, errorForm) },
  }
}

function toResponse([status, answer]: readonly [string, Answer]): readonly [
  string,
  ZodOpenApiResponsesObject['default'],
] {
  const content: ZodOpenApiContentObject = {
    ...(answer.json !== undefined && { 'application/json': { schema: answer.json } }),
    ...(answer.page === true && { 'text/html': { schema: { type: 'string' } } }),
  }
  return [
    status,
    {
      description: answer.description,
      ...(answer.headers !== undefined && { headers: headers(...answer.headers) }),
      ...(Object.keys(content).length > 0 && { content }),
    },
  ]
}
