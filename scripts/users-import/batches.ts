/** Rows, gathered into requests: at most 500 accounts and 512 KiB each, as `POST /admin/users/import` takes them. */

import type { Input } from './input.ts'
import type { Mapped } from './mapping.ts'
import { type Position, readRecords } from './records.ts'

export const MAX_LINES = 500
export const MAX_BYTES = 512 * 1024
/** An account that is longer is a bad row. What the Worker takes of each field comes to much less. */
const MAX_ACCOUNT_BYTES = 64 * 1024
/** So many rows without an account to send make a batch of their own, so that what is known of them is kept. */
const MAX_ROWS = 5000

/** Where a row stands: by its line and, in an array, whose objects may all stand in one line, by its number. */
export interface Place {
  readonly line: number
  readonly row?: number
}

export interface Refusal extends Place {
  readonly primary_email?: unknown
  readonly external_id?: unknown
  readonly errors: Readonly<Record<string, readonly string[]>>
}

export interface Outgoing extends Place {
  readonly user: Readonly<Record<string, unknown>>
  /** What is sent. */
  readonly json: string
}

export interface Batch {
  readonly outgoing: readonly Outgoing[]
  /** Rows that cannot be sent. */
  readonly refused: readonly Refusal[]
  readonly leftOut: number
  /** Where the next batch begins. */
  readonly next: Position
}

/** Reads a file from a place on, as batches in its order. */
export async function* readBatches(
  input: Input,
  from: Position,
  map: (row: Readonly<Record<string, unknown>>) => Mapped,
): AsyncGenerator<Batch> {
  let outgoing: Outgoing[] = []
  let refused: Refusal[] = []
  let leftOut = 0
  let bytes = 0
  let next = from

  function close(): Batch {
    const batch = { outgoing, refused, leftOut, next }
    outgoing = []
    refused = []
    leftOut = 0
    bytes = 0
    return batch
  }

  for await (const record of readRecords(input.path, input.format, from)) {
    const row = record.fault ?? input.parse(record)
    const place: Place = { line: record.line, ...(input.kind === 'a JSON array' && { row: record.row }) }
    const mapped = typeof row === 'string' ? { errors: { row: [row] }, user: {} } : map(row)
    const json = 'user' in mapped && !('errors' in mapped) ? JSON.stringify(mapped.user) : ''
    const size = Buffer.byteLength(json) + 1
    if ('leftOut' in mapped) {
      leftOut++
    } else if ('errors' in mapped) {
      refused.push(refusalOf(place, mapped.user, mapped.errors))
    } else if (size > MAX_ACCOUNT_BYTES) {
      refused.push(refusalOf(place, mapped.user, { row: ['is longer than any account may be'] }))
    } else {
      if (bytes + size > MAX_BYTES && outgoing.length > 0) yield close()
      outgoing.push({ ...place, user: mapped.user, json })
      bytes += size
    }
    next = record.next
    const rows = outgoing.length + refused.length + leftOut
    if (outgoing.length === MAX_LINES || rows >= MAX_ROWS) yield close()
  }
  if (outgoing.length + refused.length + leftOut > 0) yield close()
}

/** A bad row as it is told: where it stands, by what it is known, and why. Never its hash. */
export function refusalOf(
  { line, row }: Place,
  { primary_email, external_id }: Readonly<Record<string, unknown>>,
  errors: Refusal['errors'],
): Refusal {
  return {
    line,
    ...(row !== undefined && { row }),
    ...(primary_email !== undefined && { primary_email }),
    ...(external_id !== undefined && { external_id }),
    errors,
  }
}
