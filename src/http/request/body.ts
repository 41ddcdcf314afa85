/** Request bodies: JSON of a known shape and a bounded size, or a clear error. */

import type { Context } from 'hono'
import type * as z from 'zod/mini'

import { TesseraError } from '../../errors.ts'
import { parseBody } from '../../shape.ts'
import type { AppEnv } from '../factory.ts'

const MAX_BODY_BYTES = 16 * 1024

/**
 * The body, as `schema` has it. Only `application/json`: a foreign page cannot send that without a preflight.
 * Throws `unsupported_media_type`, `payload_too_large` and `wrong_data_structure`.
 */
export async function readJson<Schema extends z.ZodMiniType>(
  c: Context<AppEnv>,
  schema: Schema,
): Promise<z.output<Schema>> {
  if (mediaType(c) !== 'application/json') throw new TesseraError('unsupported_media_type')
  const text = await readText(c)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // The parser's message quotes the body, which may hold a password.
    throw new TesseraError('wrong_data_structure', { cause: 'JSON' })
  }
  return parseBody(schema, value)
}

/**
 * The body of a form, as `schema` has it. A foreign page can send one without a preflight, so this is only for routes
 * that ask for a secret in it or beside it. Throws as `readJson` does.
 */
export async function readForm<Schema extends z.ZodMiniType>(
  c: Context<AppEnv>,
  schema: Schema,
): Promise<z.output<Schema>> {
  if (mediaType(c) !== 'application/x-www-form-urlencoded') throw new TesseraError('unsupported_media_type')
  // The stream is read instead of `text()`, since workerd logs a warning for a form that is read as text.
  return parseBody(schema, Object.fromEntries(new URLSearchParams(await readStream(c))))
}

/** JSON or a form, for the routes whose RFCs ask for a form. */
export function readJsonOrForm<Schema extends z.ZodMiniType>(
  c: Context<AppEnv>,
  schema: Schema,
): Promise<z.output<Schema>> {
  return mediaType(c) === 'application/json' ? readJson(c, schema) : readForm(c, schema)
}

/** A body of one of these media types, as text. Throws `unsupported_media_type` and `payload_too_large`. */
export function readTextOf(c: Context<AppEnv>, mediaTypes: ReadonlySet<string>, maxBytes: number): Promise<string> {
  if (!mediaTypes.has(mediaType(c) ?? '')) throw new TesseraError('unsupported_media_type')
  return readText(c, maxBytes)
}

/** Throws `payload_too_large` before a larger body is in memory. */
async function readText(c: Context<AppEnv>, maxBytes = MAX_BODY_BYTES): Promise<string> {
  const { raw } = c.req
  const announced = raw.headers.get('Content-Length')
  // A body cannot be longer than its `Content-Length`, which the runtime enforces; without one, chunks are counted.
  if (announced === null || raw.headers.has('Transfer-Encoding')) return readStream(c, maxBytes)
  // A `Content-Length` that is not a number is refused like one that is too large: it bounds nothing.
  if (!(Number(announced) <= maxBytes)) throw new TesseraError('payload_too_large')
  return raw.text()
}

async function readStream(c: Context<AppEnv>, maxBytes = MAX_BODY_BYTES): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let size = 0
  for await (const chunk of c.req.raw.body ?? []) {
    size += chunk.byteLength
    if (size > maxBytes) throw new TesseraError('payload_too_large')
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

function mediaType(c: Context<AppEnv>): string | undefined {
  return c.req.raw.headers.get('Content-Type')?.split(';', 1)[0]?.trim().toLowerCase()
}
