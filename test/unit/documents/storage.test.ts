/** docs/storage.md: every table and every column of the schema, in its order, and no other. */

import { getTableColumns, is } from 'drizzle-orm'
import { getTableConfig, SQLiteTable } from 'drizzle-orm/sqlite-core'
import { expect, test } from 'vitest'

import * as schema from '../../../src/db/schema.ts'
import { read, section, table } from '../../support/markdown.ts'

const HEADER = '| column | what it is | written by |'

const document = read('docs/storage.md')
const tables = Object.values(schema).filter((value) => is(value, SQLiteTable))

test('has a part for each table', () => {
  const parts = document.split(/^(?=## )/m).filter((part) => part.includes(HEADER))
  const headings = parts.map((part) => /^## (.*)/.exec(part)?.[1])
  expect(headings).toEqual(tables.map((one) => getTableConfig(one).name))
})

test.each(tables.map((one) => [getTableConfig(one).name, one] as const))(
  'says of every column of %s what it is and who writes it',
  (name, one) => {
    const rows = table(section(document, `## ${name}`), HEADER)
    expect(rows.map(([column]) => column)).toEqual(
      Object.values(getTableColumns(one)).map((column) => `\`${column.name}\``),
    )
    expect(rows.filter((cells) => cells.length !== 3 || cells.includes(''))).toEqual([])
  },
)
