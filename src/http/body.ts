/** Request bodies: JSON of a known shape and a bounded size, or a clear error. */

import type { Context } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type * as z from 'zod'

import { type FieldErrors, TesseraError } from '../errors.ts'
import type { AppEnv } from './factory.ts'

const MAX_BODY_BYTES = 16 * 1024

/** Refuses larger bodies, announced or not, before they are read. */
export const limitBody = bodyLimit({
  maxSize: MAX_BODY_BYTES,
  onError: () => {
    throw new TesseraError('payload_too_large')
  },
})

/**
 * The body, as `schema` has it. Only `application/json`: a foreign page cannot send that without a preflight.
 * Throws `unsupported_media_type` and `wrong_data_structure`.
 */
export async function readJson<Schema extends z.ZodType>(
  c: Context<AppEnv>,
  schema: Schema,
): Promise<z.output<Schema>> {
  if (mediaType(c) !== 'application/json') throw new TesseraError('unsupported_media_type')
  let value: unknown
  try {
    value = await c.req.json()
  } catch {
    // The parser's own message repeats what it could not read, and that may be a password.
    throw new TesseraError('wrong_data_structure', { cause: 'JSON' })
  }
  return parse(schema, value)
}

/**
 * The body of a form, as `schema` has it. A foreign page can send one without a preflight, so this is only for routes
 * that ask for a secret in it or beside it. Throws `unsupported_media_type` and `wrong_data_structure`.
 */
export async function readForm<Schema extends z.ZodType>(
  c: Context<AppEnv>,
  schema: Schema,
): Promise<z.output<Schema>> {
  if (mediaType(c) !== 'application/x-www-form-urlencoded') throw new TesseraError('unsupported_media_type')
  // Not `text()`: workerd warns in the log of every form that is read as one.
  const text = new TextDecoder().decode(await c.req.arrayBuffer())
  return parse(schema, Object.fromEntries(new URLSearchParams(text)))
}

/** JSON or a form, for the routes whose RFCs ask for a form. */
export function readJsonOrForm<Schema extends z.ZodType>(
  c: Context<AppEnv>,
  schema: Schema,
): Promise<z.output<Schema>> {
  return mediaType(c) === 'application/json' ? readJson(c, schema) : readForm(c, schema)
}

function mediaType(c: Context<AppEnv>): string | undefined {
  return c.req.header('Content-Type')?.split(';', 1)[0]?.trim().toLowerCase()
}

function parse<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = schema.safeParse(value)
  if (!result.success) throw new TesseraError('wrong_data_structure', { fields: fieldErrors(result.error) })
  return result.data
}

/** One key a field. What is wrong with the whole body goes under `body`. */
function fieldErrors(error: z.ZodError): FieldErrors {
  return Object.fromEntries(
    Object.entries(Object.groupBy(error.issues, (issue) => String(issue.path[0] ?? 'body'))).map(([field, issues]) => [
      field,
      (issues ?? []).map((issue) => issue.message),
    ]),
  )
}
