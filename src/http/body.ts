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
  const type = c.req.header('Content-Type')?.split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/json') throw new TesseraError('unsupported_media_type')
  let value: unknown
  try {
    value = await c.req.json()
  } catch {
    // The parser's own message repeats what it could not read, and that may be a password.
    throw new TesseraError('wrong_data_structure', { cause: 'JSON' })
  }
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
