/** Errors as answers: problem details (RFC 9457), or the bare text on the routes that were specified with it. */

import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'

import type { ErrorCode, TesseraError } from '../../errors.ts'
import { asTesseraError, logRefusal } from '../../log-refusal.ts'
import type { AppEnv } from '../factory.ts'
import { readIssuer } from '../request/caller.ts'
import type { Problem } from './answer-contract.ts'

const TITLES: Readonly<Record<TesseraError['status'], string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  421: 'Misdirected Request',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
}

/** What a 401 asks for, where it is not a bearer token (RFC 9449 section 7.1). */
const CHALLENGES: Readonly<Partial<Record<ErrorCode, string>>> = {
  dpop_proof_not_valid: 'DPoP error="invalid_dpop_proof", algs="ES256"',
}

const PROBLEM_JSON = { 'Content-Type': 'application/problem+json' }

/** The answer for anything that was thrown. Whatever is no `TesseraError` is answered 500 and explained in the log only. */
export function answerError(thrown: unknown, c: Context<AppEnv>): Response {
  const error = toTesseraError(thrown, c)
  if (wantsText(c)) return c.text(error.message, error.status)
  const problem = describeProblem(error, readIssuer(c))
  return c.body(JSON.stringify(problem), error.status as ContentfulStatusCode, PROBLEM_JSON)
}

/** The answer for an error outside of any route. */
export function toProblem(error: TesseraError): Response {
  return new Response(JSON.stringify(describeProblem(error)), { status: error.status, headers: PROBLEM_JSON })
}

/**
 * The body of problem details. Its `type` leads to the error's entry in the catalogue of the deployment that is reached under `issuer`;
 * where that is not known, the status says all there is (`about:blank`, RFC 9457 section 4.2.1).
 */
export function describeProblem({ status, message, code, fields }: TesseraError, issuer?: string): Problem {
  const type = issuer === undefined ? 'about:blank' : `${issuer}/docs/errors#${code}`
  const problem = { type, title: TITLES[status], status, detail: message, code }
  return { ...problem, ...(fields !== undefined && { errors: fields }) }
}

/** The `TesseraError` for anything that was thrown. Logs it, and sets the headers that its answer needs. */
export function toTesseraError(thrown: unknown, c: Context<AppEnv>): TesseraError {
  const error = asTesseraError(thrown)
  logRefusal(c.env.log, error, () => c.req.routePath)
  if (error.status === 401) c.header('WWW-Authenticate', CHALLENGES[error.code] ?? 'Bearer')
  if (error.allow !== undefined) c.header('Allow', error.allow.join(', '))
  if (error.retryAfterSeconds !== undefined) c.header('Retry-After', String(error.retryAfterSeconds))
  if (error.challenge !== undefined) c.header('Secure-Session-Challenge', `"${error.challenge}";id="${error.sid}"`)
  return error
}

/** Whether a person would read the answer: browsers ask for HTML when they open an address. */
export function wantsPage(c: Context<AppEnv>): boolean {
  return /\btext\/html\b/i.test(c.req.header('Accept') ?? '')
}

function wantsText(c: Context<AppEnv>): boolean {
  const accept = c.req.header('Accept') ?? ''
  return c.get('errorsAsText') === true && !/\bapplication\/(?:[\w.-]+\+)?json\b/i.test(accept)
}
