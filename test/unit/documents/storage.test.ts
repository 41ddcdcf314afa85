/** docs/storage.md: every table and every column of the schema, in its order, and no other. */

import { getTableColumns, is } from 'drizzle-orm'
import { getTableConfig, SQLiteTable } from 'drizzle-orm/sqlite-core'
import { expect, test } from 'vitest'

import * as schema from '../../../src/db/schema.ts'
import { EVENT_REASONS } from '../../../src/domain/events/event.ts'
import { LINKS } from '../../../src/domain/mails/links.ts'
import type { NoticeKind } from '../../../src/domain/mails/notice.ts'
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

/** The words that a column may hold; one that the code gets is a type error here until it is named, and then the document lacks it. */
const WORDS = [
  ['sessions', 'revoked_reason', EVENT_REASONS.session_ended],
  [
    'notifications',
    'kind',
    {
      location_blocked: true,
      token_reused: true,
      other_key: true,
      sign_ins_paused: true,
      new_sign_in: true,
      confirm_address: true,
      address_taken: true,
      reset_password: true,
      password_changed: true,
      confirm_email: true,
      email_changed: true,
      account_left: true,
    } satisfies Record<NoticeKind, true>,
  ],
  [
    'used_links',
    'purpose',
    // The others leave no row: they are void as soon as what they change has changed.
    Object.fromEntries(Object.entries(LINKS).filter(([, { binds }]) => binds === null)),
  ],
] as const

test.each(WORDS)('names every word that %s has as its %s', (name, column, words) => {
  const [, what = ''] = table(section(document, `## ${name}`), HEADER).find(([cell]) => cell === `\`${column}\``) ?? []
  expect(what.match(/(?<=`)\w+(?=`)/g)?.filter((word) => word !== 'notifications')).toEqual(Object.keys(words))
})
