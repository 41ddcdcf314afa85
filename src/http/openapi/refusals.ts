/** What a route answers when it refuses: each error of the closed table, with its details to the letter, by status. */

import type { oas32, ZodOpenApiContentObject, ZodOpenApiResponseObject, ZodOpenApiResponsesObject } from 'zod-openapi'

import { ERROR_REASONS } from '../../error-reasons.ts'
import { type ErrorCode, ERRORS, type FieldErrors, TesseraError } from '../../errors.ts'
import { CODES, Problem } from '../answer/answer-contract.ts'
import { describeProblem } from '../answer/problem.ts'
import { headers, type HeaderName } from './headers.ts'

/** How a route answers its errors: as problem details; as bare text unless JSON is asked for; or as that, and as a page where one is asked for. */
export type ErrorForm = 'problem' | 'text' | 'text or page'

/** What every answer to every route may be: the request was for another host, or something failed. */
const EVERYWHERE = ['misdirected', 'internal'] as const satisfies readonly ErrorCode[]

/** The errors that name fields wherever they occur. */
const FIELDS: Readonly<Partial<Record<ErrorCode, FieldErrors>>> = {
  password_not_accepted: { password: ['must have at least 15 characters'] },
  password_not_valid: { password: ['is not right'] },
  already_exists: { primary_email: ['is taken'] },
}

/** Headers of an answer, by its code, beside those that go with its status. */
const HEADERS: Readonly<Partial<Record<ErrorCode, HeaderName>>> = {
  device_proof_required: 'Secure-Session-Challenge',
  method_not_allowed: 'Allow',
  too_many_requests: 'Retry-After',
  unavailable: 'Retry-After',
}

/** Refusals of one code are the same everywhere: components of the document, kept here by their names. */
const shared = new Map<string, ZodOpenApiResponseObject>()

/** The responses of a route that answers these errors, beside those that every route answers. */
export function refusalsOf(codes: readonly ErrorCode[], form: ErrorForm): ZodOpenApiResponsesObject {
  const all = [...codes, ...EVERYWHERE]
  const statuses = [...new Set(all.map((code) => ERRORS[code].status))].toSorted((a, b) => a - b)
  return Object.fromEntries(
    statuses.map((status) => {
      const ofStatus = all.filter((code) => ERRORS[code].status === status)
      const [only, ...others] = ofStatus
      // Another host's requests are refused before anybody looks for their route.
      const formOf = status === ERRORS.misdirected.status ? 'problem' : form
      return [status, only === undefined || others.length > 0 ? refusal(ofStatus, formOf) : alone(only, formOf)]
    }),
  )
}

function alone(code: ErrorCode, form: ErrorForm): ZodOpenApiResponseObject {
  const name = `${code} ${form}`.replace(/(?:^|[_ ])(\w)/g, (_match, letter: string) => letter.toUpperCase())
  const id = name.replace(/Problem$/, '')
  const known = shared.get(id) ?? { ...refusal([code], form), id }
  shared.set(id, known)
  return known
}

/** Every error as the deployment of this URL answers it, under its code, and a number where it has further details: components of the document. */
export function problemExamples(issuer: string): Readonly<Record<string, oas32.ExampleObject>> {
  return Object.fromEntries(
    CODES.flatMap((code) =>
      ERRORS[code].details.map((detail, i) => {
        const fields = FIELDS[code]
        const error = new TesseraError(code, { detail, ...(fields !== undefined && { fields }) })
        // What another host is asked has no catalogue of its own.
        const value = describeProblem(error, code === 'misdirected' ? undefined : issuer)
        return [exampleName(code, i), { summary: detail, value }]
      }),
    ),
  )
}

function exampleName(code: ErrorCode, index: number): string {
  return index === 0 ? code : `${code}_${index + 1}`
}

function refusal(codes: readonly ErrorCode[], form: ErrorForm): ZodOpenApiResponseObject {
  const names = codes.flatMap((code) => ERRORS[code].details.map((_detail, i) => exampleName(code, i)))
  const content: ZodOpenApiContentObject = {
    'application/problem+json': {
      schema: Problem,
      examples: Object.fromEntries(names.map((name) => [name, { $ref: `#/components/examples/${name}` }])),
    },
  }
  if (form !== 'problem') {
    content['text/plain'] = { schema: { type: 'string', enum: codes.flatMap((code) => [...ERRORS[code].details]) } }
  }
  if (form === 'text or page') content['text/html'] = { schema: { type: 'string' } }
  const carried = [
    ...(codes.some((code) => ERRORS[code].status === 401) ? (['WWW-Authenticate'] as const) : []),
    ...codes.flatMap((code) => HEADERS[code] ?? []),
  ]
  return {
    description: codes.map((code) => `\`${code}\`: ${ERROR_REASONS[code]}`).join('. '),
    content,
    ...(carried.length > 0 && { headers: headers(...carried) }),
  }
}
