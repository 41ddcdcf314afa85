/** docs/operations.md: what `npm run users -- why` prints is made of the answer beside it. */

import { afterEach, expect, test, vi } from 'vitest'

import { History } from '../../../scripts/users/answers.ts'
import type { Context } from '../../../scripts/users/context.ts'
import { plain } from '../../../scripts/users/paint.ts'
import { why } from '../../../scripts/users/why.ts'
import { fenced, read } from '../../support/markdown.ts'

const zone = process.env['TZ']

afterEach(() => {
  vi.restoreAllMocks()
  if (zone === undefined) delete process.env['TZ']
  else process.env['TZ'] = zone
})

test('the example tells the same as its answer', async () => {
  process.env['TZ'] = 'UTC'
  const document = read('docs/operations.md')
  const history = History.parse(JSON.parse(fenced(document, 'json')[0] ?? ''))
  const user = { guid: history.guid, email: 'alba@example.com', external_id: null }
  const printed: unknown[] = []
  vi.spyOn(console, 'log').mockImplementation((line: unknown) => void printed.push(line))
  const context = {
    client: {
      ask: async (_schema: unknown, _method: string, path: string) => (path === '/users' ? { users: [user] } : history),
    },
    line: { operands: ['alba@example.com'], has: () => false, value: () => undefined },
    out: { isJson: false, paint: plain, width: undefined, one() {}, remark() {} },
  }
  await why(context as unknown as Context)

  expect(`${printed.join('\n')}\n`).toBe(fenced(document, 'text')[0])
})
