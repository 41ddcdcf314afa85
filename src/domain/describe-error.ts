/** What was thrown, as an exception: anything can be. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}

/** What an exception says for the log: names and messages down to its innermost cause, which tells most. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return `${error.name}: ${error.message}${error.cause === undefined ? '' : ` (${describeError(error.cause)})`}`
}
