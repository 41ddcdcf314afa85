/** JSON, with every digit of its integers. */

const parse = JSON.parse as (
  text: string,
  reviver?: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
) => unknown

/**
 * Reads JSON. An integer that a double cannot hold becomes the text of it: rounded, the id of one account would be that of another. Throws
 * `SyntaxError`, whose message quotes the text.
 */
export function parseJson(text: string): unknown {
  // Only so many digits can be such a number, and a reviver takes time.
  return /\d{16}/.test(text) ? parse(text, exactly) : parse(text)
}

function exactly(_key: string, value: unknown, { source }: { readonly source?: string }): unknown {
  const isRounded = typeof value === 'number' && !Number.isSafeInteger(value)
  return isRounded && source !== undefined && /^-?\d+$/.test(source) ? source : value
}
