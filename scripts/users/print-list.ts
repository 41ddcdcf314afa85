/** Lists, as people and as programs read them. */

import type * as z from 'zod/mini'

import type { Query } from './client.ts'
import { type Context, limitOf } from './context.ts'
import { jsonLine } from './printable.ts'
import { table, type Column } from './table.ts'

interface Asked<Schema extends z.ZodMiniType> {
  /** The name of the list in the answer. */
  readonly noun: string
  readonly schema: Schema
  readonly path: string
  readonly query: Query
}

type Shown<Entry> = {
  /** What is said of an empty list. */
  readonly none: string
} & (
  | { readonly columns: readonly Column[]; readonly row: (entry: Entry) => readonly string[] }
  | { readonly block: (entry: Entry) => string }
)

/** Prints a list: a table or a block for each entry for people, a line of JSON for each entry for programs, as soon as its page is there. */
export async function printList<Schema extends z.ZodMiniType>(
  { client, line, out }: Context,
  { noun, schema, path, query }: Asked<Schema>,
  shown: Shown<z.output<Schema>>,
): Promise<void> {
  const lines: string[] = []
  const rows: (readonly string[])[] = []
  const isMore = await client.list(noun, schema, path, query, limitOf(line), (entries) => {
    for (const entry of entries) {
      if (out.isJson) console.log(jsonLine(entry))
      else if ('row' in shown) rows.push(shown.row(entry))
      else lines.push(shown.block(entry))
    }
  })
  if (!out.isJson) {
    if (rows.length + lines.length === 0) console.log(shown.none)
    else console.log('row' in shown ? table(shown.columns, rows, out) : lines.join('\n\n'))
  }
  if (isMore) out.remark('There are more: --limit N or --all shows them.')
}
