/** What came in from outside, held against the shape that it should have: the same for a body and for the values of a call. */

import type * as z from 'zod/mini'

import { type FieldErrors, TesseraError } from './errors.ts'

/** What a body says, as `schema` has it. Throws `wrong_data_structure`, which names the fields that are wrong; `whole` is the name of it all. */
export function parseBody<Schema extends z.ZodMiniType>(
  schema: Schema,
  value: unknown,
  whole = 'body',
): z.output<Schema> {
  const result = schema.safeParse(value)
  if (!result.success) throw new TesseraError('wrong_data_structure', { fields: fieldErrors(result.error, whole) })
  return result.data
}

/** The issues by field; those of all of it under `whole`. */
export function fieldErrors(error: z.core.$ZodError, whole = 'body'): FieldErrors {
  const fields = new Map<string, string[]>()
  for (const issue of error.issues) {
    // What a strict schema does not know has no path of its own.
    const isUnknown = issue.code === 'unrecognized_keys' && issue.path.length === 0
    const named = isUnknown ? issue.keys : [String(issue.path[0] ?? whole)]
    for (const field of named) {
      fields.set(field, [...(fields.get(field) ?? []), isUnknown ? 'is not known' : issue.message])
    }
  }
  return Object.fromEntries(fields)
}
