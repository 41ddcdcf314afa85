/** A JSON object as an argument: the claims of an account. */

import { UsageProblem } from './problem.ts'

/** Undefined without a text. Throws `UsageProblem` for what is no object. */
export function readObject(text: string | undefined): Readonly<Record<string, unknown>> | undefined {
  if (text === undefined) return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = null
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageProblem(`${text} is no JSON object, such as '{"plan":"pro"}'.`)
  }
  return value as Readonly<Record<string, unknown>>
}
