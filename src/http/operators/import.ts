/** Many accounts at once, as JSON lines (https://jsonlines.org): what is wrong with a line refuses that line alone. */

import type { Context } from 'hono'

import { type ImportLine, importUsers } from '../../domain/operators/import-users.ts'
import { TesseraError } from '../../errors.ts'
import type { AppEnv } from '../factory.ts'
import { readTextOf } from '../request/body.ts'
import { fieldErrors } from '../../shape.ts'
import { readOperator } from './acting.ts'
import { ImportedUserLine, orderOf } from './user-contract.ts'

const MEDIA_TYPES: ReadonlySet<string> = new Set(['application/x-ndjson', 'application/jsonl'])
const MAX_BYTES = 512 * 1024
const MAX_LINES = 500

/** `POST /admin/users/import`: what became of each line, by its number in the body. */
export async function importLines(c: Context<AppEnv>): Promise<Response> {
  const lines = readLines(await readTextOf(c, MEDIA_TYPES, MAX_BYTES))
  const results = await importUsers(
    c.env,
    lines.map(({ text }) => readLine(text)),
    readOperator(c),
  )
  const count = (status: string) => results.filter((result) => result.status === status).length
  return c.json({
    results: results.map((result, i) => ({ line: lines[i]?.line, ...result })),
    created: count('created'),
    exists: count('exists'),
    refused: count('refused'),
  })
}

/** The lines that say something. Throws `wrong_data_structure` for too many. */
function readLines(body: string) {
  const lines = body.split('\n').map((text, i) => ({ line: i + 1, text }))
  const said = lines.filter(({ text }) => text.trim() !== '')
  if (said.length <= MAX_LINES) return said
  throw new TesseraError('wrong_data_structure', { fields: { body: [`must have at most ${MAX_LINES} lines`] } })
}

function readLine(text: string): ImportLine {
  // Bytes that are not UTF-8 were read as this character: what stood there is not known any more.
  if (text.includes('\uFFFD')) return { errors: { body: ['must be UTF-8'] } }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { errors: { body: ['must be JSON'] } }
  }
  const read = ImportedUserLine.safeParse(value)
  if (!read.success) return { errors: fieldErrors(read.error) }
  return { order: { ...orderOf(read.data), createdAt: read.data.created_at ?? null } }
}
