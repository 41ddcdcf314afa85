/** The OpenAPI document as a reader that knows nothing of the code: which operation a request is of, and whether an answer is as it says. */

import { type Schema, Validator } from '@cfworker/json-schema'

import { documentOf } from '../../src/http/openapi/document.ts'

type Json = Readonly<Record<string, unknown>>

interface MediaType {
  readonly schema: Schema
  readonly examples?: Readonly<Record<string, { readonly $ref: string }>>
}

export interface DescribedResponse {
  readonly $ref?: string
  readonly description: string
  readonly headers?: Readonly<Record<string, { readonly $ref: string }>>
  readonly content?: Readonly<Record<string, MediaType>>
}

export interface DescribedOperation {
  readonly operationId: string
  readonly tags: readonly string[]
  readonly summary: string
  readonly security: readonly Readonly<Record<string, readonly string[]>>[]
  readonly parameters?: readonly (Json & { readonly $ref?: string })[]
  readonly requestBody?: { readonly required: boolean; readonly content: Readonly<Record<string, MediaType>> }
  readonly responses: Readonly<Record<string, DescribedResponse>>
}

export interface Described {
  readonly openapi: string
  readonly info: { readonly version: string; readonly description: string }
  readonly servers: readonly { readonly url: string }[]
  readonly tags: readonly { readonly name: string }[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, DescribedOperation>>>>
  readonly components: {
    readonly schemas: Readonly<Record<string, Schema>>
    readonly responses: Readonly<Record<string, DescribedResponse>>
    readonly parameters: Readonly<Record<string, Json>>
    readonly headers: Readonly<Record<string, { readonly required?: boolean }>>
    readonly examples: Readonly<Record<string, { readonly value: Problem }>>
    readonly securitySchemes: Readonly<Record<string, Json>>
  }
}

export interface Problem {
  readonly type: string
  readonly status: number
  readonly detail: string
  readonly code: string
  readonly errors?: Readonly<Record<string, readonly string[]>>
}

/** That of the Worker under test, so that its refusals are the examples to the letter. */
const ISSUER = 'https://auth.localhost'

/** The document of a deployment, as it goes over the wire. */
export const described = JSON.parse(JSON.stringify(documentOf(ISSUER))) as Described

export interface Route {
  readonly method: string
  readonly path: string
  readonly operation: DescribedOperation
}

export const routes: readonly Route[] = Object.entries(described.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
)

/** The name of the last part of a reference. */
function named(ref: string): string {
  return ref.slice(ref.lastIndexOf('/') + 1)
}

/** A response, by itself or by the component that it refers to. */
export function responseOf({ responses }: DescribedOperation, status: number | string): DescribedResponse | undefined {
  const response = responses[status]
  return response?.$ref === undefined ? response : described.components.responses[named(response.$ref)]
}

/** The errors that a response has as examples. */
export function problemsIn(response: DescribedResponse | undefined): readonly Problem[] {
  const examples = Object.values(response?.content?.['application/problem+json']?.examples ?? {})
  return examples.flatMap(({ $ref }) => described.components.examples[named($ref)]?.value ?? [])
}

/** The codes of all errors that an operation may answer. */
export function codesOf(operation: DescribedOperation): ReadonlySet<string> {
  const statuses = Object.keys(operation.responses)
  return new Set(statuses.flatMap((status) => problemsIn(responseOf(operation, status)).map(({ code }) => code)))
}

/** The operation of a request: of two paths that match, the one with more of it in letters. */
export function routeOf(method: string, url: string): Route | undefined {
  const path = url.split('?')[0] ?? ''
  const matching = routes.filter(
    (route) => route.method === method && new RegExp(`^${route.path.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(path),
  )
  return matching.toSorted((a, b) => a.path.split('{').length - b.path.split('{').length)[0]
}

/** Objects of answers are open to callers. A test wants to know of a field that nobody described. */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed)
  if (typeof value !== 'object' || value === null) return value
  const copy = Object.fromEntries(Object.entries(value).map(([key, one]) => [key, closed(one)]))
  return 'properties' in copy && !('additionalProperties' in copy) ? { ...copy, additionalProperties: false } : copy
}

/** What is wrong with a value by a schema of the document; nothing where it is as it says. */
export function violationsOf(value: unknown, schema: Schema, isAnswer = true): readonly string[] {
  const whole = { ...schema, $defs: described.components.schemas }
  const text = JSON.stringify(isAnswer ? closed(whole) : whole).replaceAll('#/components/schemas/', '#/$defs/')
  const { errors } = new Validator(JSON.parse(text) as Schema, '2020-12', false).validate(value)
  return errors.map(({ instanceLocation, error }) => `${instanceLocation} ${error}`)
}

/** Headers that a client may need, and that an operation says whether it has. */
const TOLD = [
  'Set-Cookie',
  'Location',
  'Allow',
  'Retry-After',
  'WWW-Authenticate',
  'Secure-Session-Registration',
  'Secure-Session-Challenge',
]

/** How an answer is not as the document has it; nothing where it is. */
export async function differences(method: string, path: string, answer: Response): Promise<readonly string[]> {
  const route = routeOf(method, path)
  if (route === undefined) return [`no operation for ${method} ${path}`]
  const { status, headers } = answer
  const response = responseOf(route.operation, status)
  if (response === undefined) return [`no status ${status} of ${method} ${route.path}`]
  const told = Object.keys(response.headers ?? {})
  const needed = told.filter((name) => described.components.headers[name]?.required === true)
  const text = await answer.clone().text()
  return [
    ...TOLD.filter((name) => headers.has(name) && !told.includes(name)).map((name) => `has ${name}`),
    ...needed.filter((name) => !headers.has(name)).map((name) => `lacks ${name}`),
    ...bodyDifferences(text, headers.get('Content-Type')?.split(';')[0] ?? '', response),
  ].map((difference) => `${status} of ${method} ${route.path} ${difference}`)
}

function bodyDifferences(text: string, type: string, response: DescribedResponse): readonly string[] {
  // A page may stand where there is no body otherwise.
  if (text === '') return Object.keys(response.content ?? {}).every((one) => one === 'text/html') ? [] : ['is empty']
  const media = response.content?.[type]
  if (media === undefined) return [`is ${type}: ${text}`]
  const value: unknown = type.endsWith('json') ? JSON.parse(text) : text
  const wrong = violationsOf(value, media.schema).map((one) => `${text}: ${one}`)
  if (type !== 'application/problem+json') return wrong
  const { errors: _fields, ...problem } = value as Problem
  const known = problemsIn(response).map(({ errors: _examples, ...one }) => JSON.stringify(one))
  return known.includes(JSON.stringify(problem)) ? wrong : [...wrong, `has no such example: ${text}`]
}
