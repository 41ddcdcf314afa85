/** Refusals in the log: the same line for a request and for a call of another Worker. */

import { describeError, toError } from './domain/describe-error.ts'
import { TesseraError } from './errors.ts'
import type { Log } from './log.ts'

/** The row of the error table for anything that was thrown. Whatever is no `TesseraError` is `internal`, and explained in the log only. */
export function asTesseraError(thrown: unknown): TesseraError {
  return thrown instanceof TesseraError ? thrown : new TesseraError('internal', { cause: toError(thrown) })
}

/** Writes why something was refused into the log; nothing where the error says all there is to say, as it does where no route was met. */
export function logRefusal(log: Log, { code, status, cause, sid, guid }: TesseraError, route: () => string): void {
  if (cause === undefined) return
  log({
    event: 'refused',
    code,
    status,
    cause: describeError(cause),
    ...(guid !== undefined && { guid }),
    ...(sid !== undefined && { sid }),
    route: route(),
  })
}
