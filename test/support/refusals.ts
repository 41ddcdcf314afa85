/** What a rule refuses with, in full: its code, the detail that the caller is told, and the cause that the log has. */

import { type ErrorCode, ERRORS, TesseraError } from '../../src/errors.ts'

interface Refusal {
  readonly code: ErrorCode
  readonly message: string
  readonly cause: unknown
}

/** The refusal of an attempt. Throws whatever else it threw, and when it was not refused at all. */
export async function refusal(attempt: Promise<unknown> | (() => unknown)): Promise<Refusal> {
  try {
    await (typeof attempt === 'function' ? attempt() : attempt)
  } catch (error) {
    if (!(error instanceof TesseraError)) throw error
    return { code: error.code, message: error.message, cause: error.cause }
  }
  throw new Error('not refused')
}

/** A refusal by its code: `message` is the first detail of the error table. */
export function refused(code: ErrorCode, cause?: string): Refusal {
  return { code, message: ERRORS[code].details[0], cause }
}
