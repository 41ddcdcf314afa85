/** docs/api.md: what callers see, to the letter. */

import { expect, test } from 'vitest'

import { createApp } from '../../../src/app.ts'
import { ERROR_REASONS } from '../../../src/error-reasons.ts'
import { type ErrorCode, ERRORS } from '../../../src/errors.ts'
import { read, table } from '../../support/markdown.ts'

const document = read('docs/api.md')

test('has every error, to the letter', () => {
  expect(table(document, '| code | status | detail | when |')).toEqual(
    Object.entries(ERRORS).map(([code, { status, details }]) => [
      `\`${code}\``,
      String(status),
      details.join(' / '),
      ERROR_REASONS[code as ErrorCode],
    ]),
  )
})

test('has every route', () => {
  const documented = table(document, '| request | answer |')
    .flatMap(
      ([requests = '']) => requests.match(/(?:GET|POST|PATCH|DELETE)(?:, (?:GET|POST|PATCH|DELETE))* \/[^ `]*/g) ?? [],
    )
    .map((request) => request.replace(/\{(\w+)\}/g, ':$1'))
  // Links are opened from mails, and pages by people: docs/accounts.md has them.
  const routes = createApp()
    .routes.filter(({ method, path }) => method !== 'ALL' && !/^\/(links|account)\b/.test(path))
    .map(({ method, path }) => `${method} ${path.replace(/\{.*\}$/, '')}`)

  expect(new Set(documented)).toEqual(new Set(routes))
})
