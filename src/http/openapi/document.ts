/**
 * GET /openapi.json: every route that a program meets, as OpenAPI 3.1, out of what the routes validate with and out of the table of errors.
 * Loaded with the first request for it, and made once an isolate; the server is that of the request.
 */

import type { Context } from 'hono'
import * as z from 'zod/mini'
import {
  createDocument,
  type CreateDocumentOptions,
  createSchema,
  type oas32,
  type ZodOpenApiOverrideContext,
  type ZodOpenApiPathsObject,
} from 'zod-openapi'

import { HealthAnswer, KeySet, Metadata } from '../answer/answer-contract.ts'
import type { AppEnv } from '../factory.ts'
import { ImportedUserLine } from '../operators/user-contract.ts'
import { readIssuer } from '../request/caller.ts'
import { accountOperations } from './account-operations.ts'
import { describeBodies, withoutNull } from './describe.ts'
import { cookieOperations } from './cookie-operations.ts'
import { ANSWER_HEADERS, REQUEST_HEADERS } from './headers.ts'
import { type Operation, type Operations, SECURITY, TAGS, toOpenApi } from './operation.ts'
import { operatorOperations } from './operator-operations.ts'
import { problemExamples } from './refusals.ts'
import { tokenOperations } from './token-operations.ts'

/** That of package.json. */
export const VERSION = '0.1.0'

/** Paths that are no part of the document: their pages are for people. */
export const PAGES_OF_PEOPLE = ['/account', '/links'] as const

/** Paths at which one reads about the API, and calls nothing of it. */
export const REFERENCE = ['/docs', '/llms.txt'] as const

/** It changes by a deploy alone, as the keys do. */
const MAX_AGE_SECONDS = 300

const DESCRIPTION = `Tokens for your own accounts: sign in, refresh, verify, end. Every operation that a program calls is here.

**Left out** are the pages for people, below ${PAGES_OF_PEOPLE.map((path) => `\`${path}\``).join(' and ')}: HTML in the language of its reader, whose forms no program fills in. What they do has an operation here, but for the buttons behind the links of mails about sessions. So is what one reads: \`/docs\`, with this document to try, every error and every page of documentation, and \`/llms.txt\`.

**Errors** are problem details (RFC 9457) with a stable \`code\`; each operation has its own as examples, to the letter, and \`type\` leads to what to do about it. \`GET /{guid}\` and \`GET /refresh\` answer the bare text unless \`Accept\` asks for JSON. 401 means that the credential is dead; trouble on our side is 503, with \`Retry-After\`. A path that is none is 404 \`not_found\`, and another method of a path is 405 \`method_not_allowed\`, with \`Allow\`. A deployment that cannot start answers 500 without a body.

**Answers** may get more fields. Times are seconds since 1970.`

const ofDeployment = { tag: 'deployment', security: [[]], refusals: [] } as const satisfies Partial<Operation>

const deploymentOperations: Operations = {
  'GET /.well-known/jwks.json': {
    ...ofDeployment,
    id: 'getKeys',
    summary: 'The public keys, with which any back end verifies access tokens',
    answers: { 200: { description: 'The keys', headers: ['Cache-Control'], json: KeySet } },
  },
  'GET /.well-known/openid-configuration': {
    ...ofDeployment,
    id: 'getOpenIdConfiguration',
    summary: 'What gateways configure themselves by (OpenID Connect Discovery 1.0)',
    answers: { 200: { description: 'The metadata', headers: ['Cache-Control'], json: Metadata } },
  },
  'GET /.well-known/oauth-authorization-server': {
    ...ofDeployment,
    id: 'getAuthorizationServerMetadata',
    summary: 'The same, where RFC 8414 looks for it',
    answers: { 200: { description: 'The metadata', headers: ['Cache-Control'], json: Metadata } },
  },
  'GET /openapi.json': {
    ...ofDeployment,
    id: 'getOpenApiDocument',
    summary: 'This document',
    answers: {
      200: {
        description: 'An OpenAPI document',
        headers: ['Cache-Control'],
        json: z.looseObject({ openapi: z.literal('3.1.0') }),
      },
    },
  },
  'GET /healthz': {
    ...ofDeployment,
    id: 'getHealth',
    summary: 'Says what works of this deployment, for monitors and load balancers',
    answers: {
      200: { description: 'Every part is ok', json: HealthAnswer },
      503: { description: 'A part is not', json: HealthAnswer },
    },
  },
}

export const OPERATIONS: Operations = {
  ...tokenOperations,
  ...cookieOperations,
  ...accountOperations,
  ...operatorOperations,
  ...deploymentOperations,
}

/** `GET /openapi.json` */
export function answerDocument(c: Context<AppEnv>): Response {
  c.header('Cache-Control', `public, max-age=${MAX_AGE_SECONDS}`)
  return c.json(documentOf(readIssuer(c)))
}

/** A schema of what no request may have, such as the password of an import, is empty to zod. */
const OPTIONS: CreateDocumentOptions = { override: withoutNoise, allowEmptySchema: { custom: { input: true } } }

let made: oas32.OpenAPIObject | undefined

/** The document of the deployment that is reached under this URL. */
export function documentOf(issuer: string): oas32.OpenAPIObject {
  made ??= makeDocument()
  const components = { ...made.components, examples: problemExamples(issuer) }
  return { ...made, components, servers: [{ url: issuer, description: 'This deployment' }] }
}

function makeDocument(): oas32.OpenAPIObject {
  const paths: ZodOpenApiPathsObject = {}
  for (const [route, operation] of Object.entries(OPERATIONS)) {
    const [method = '', path = ''] = route.split(' ')
    paths[path] = { ...paths[path], [method.toLowerCase()]: toOpenApi(operation) }
  }
  const document = createDocument(
    {
      openapi: '3.1.0',
      info: {
        title: 'Tessera',
        version: VERSION,
        summary: 'An authentication token service at the edge',
        description: DESCRIPTION,
        license: { name: 'MIT', identifier: 'MIT' },
      },
      servers: [],
      tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
      paths,
      components: {
        // Nothing but the text of an import refers to its lines.
        schemas: createSchema(ImportedUserLine, { io: 'input', opts: OPTIONS }).components,
        securitySchemes: SECURITY,
        headers: ANSWER_HEADERS,
        parameters: REQUEST_HEADERS,
      },
    },
    OPTIONS,
  )
  describeBodies(document.components?.schemas ?? {})
  for (const { get, delete: ending } of Object.values(document.paths ?? {})) {
    for (const parameter of [...(get?.parameters ?? []), ...(ending?.parameters ?? [])]) {
      if ('in' in parameter && parameter.in === 'query') parameter.schema = withoutNull(parameter.schema)
    }
  }
  return document
}

/** Leaves out what zod says of every integer and every record, and what would forbid an answer to get another field. */
function withoutNoise({ jsonSchema, io }: ZodOpenApiOverrideContext): void {
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
  if (jsonSchema.propertyNames !== undefined) delete jsonSchema.propertyNames
  if (io === 'output' && jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties
}
