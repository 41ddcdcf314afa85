/** docs/administration.md: the scopes, the fields, the parameters and the reserved names are those of the code. */

import { describe, expect, test } from 'vitest'

import { AUDIT_ACTIONS } from '../../../src/domain/operators/audit.ts'
import { MAX_CLAIMS_BYTES, MAX_CLAIMS_LEVELS, RESERVED_CLAIMS } from '../../../src/domain/operators/own-claims.ts'
import { SERVICE_SCOPES } from '../../../src/domain/operators/service-key.ts'
import { describeUser } from '../../../src/http/answer/describe-user.ts'
import { ChangeUserRequest, CreateUserRequest, UserListRequest } from '../../../src/http/operators/user-contract.ts'
import { read, section, table } from '../../support/markdown.ts'

const document = read('docs/administration.md')

/** The words between backquotes in the first column of a table. */
function named(rows: readonly (readonly string[])[]): readonly string[] {
  return rows.flatMap(([first = '']) => first.match(/(?<=`)\w+(?=`)/g) ?? [])
}

test('has every scope, and what it is for', () => {
  expect(table(document, '| scope | what a key may do that has it |')).toEqual(
    Object.entries(SERVICE_SCOPES).map(([scope, what]) => [`\`${scope}\``, what]),
  )
})

describe('users', () => {
  test('have every field that an operator may give, and all but the guid may be changed', () => {
    const fields = named(table(document, '| field | what it is | where it is left out |'))
    expect(fields.toSorted()).toEqual(Object.keys(CreateUserRequest.shape).toSorted())
    expect(fields.filter((field) => field !== 'guid').toSorted()).toEqual(
      Object.keys(ChangeUserRequest.shape).toSorted(),
    )
  })

  test('are listed by every parameter', () => {
    const parameters = named(table(section(document, '### Find one'), '| parameter | |'))
    expect(parameters.toSorted()).toEqual(Object.keys(UserListRequest.shape).toSorted())
  })

  test('are described by every field, in its order', () => {
    const state = { email: null, group: 'user', externalId: null, ownClaims: null, isActive: true, confirmedAt: null }
    const known = { id: 1, guid: '', hasPassword: false, language: null, timeZone: null, createdAt: 0, updatedAt: 0 }
    const [live, left] = [null, 0].map((leftAt) => Object.keys(describeUser({ ...state, ...known, leftAt })))
    expect(document).toContain(`A user is \`{${live?.join(', ')}}\``)
    expect(left).toEqual(live)
  })

  test('have every reserved name of a claim, and the bounds of claims', () => {
    const rows = table(document, '| whose name | |')
    expect(rows).toEqual(
      Object.entries(RESERVED_CLAIMS).map(([whose, names]) => [
        whose === 'tessera' ? 'Tessera' : whose,
        names.map((name) => `\`${name}\``).join(' '),
      ]),
    )
    expect(document).toContain(`${MAX_CLAIMS_BYTES.toLocaleString('en')} bytes as JSON, ${MAX_CLAIMS_LEVELS}`)
  })
})

test('has every act of the ledger', () => {
  expect(table(document, '| action | what was done |')).toEqual(
    Object.entries(AUDIT_ACTIONS).map(([action, what]) => [`\`${action}\``, what]),
  )
})
