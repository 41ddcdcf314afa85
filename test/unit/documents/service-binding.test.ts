/** docs/service-binding.md: its lines are those of the example, its methods, fields and options are those of the code, and so are its times. */

import { describe, expect, test } from 'vitest'

import { requireMethod } from '../../../src/rpc/permission.ts'
import type { Method } from '../../../src/rpc/contract.ts'
import { Facts, RefreshingCaller } from '../../../src/rpc/shapes.ts'
import { JWKS_SECONDS } from '../../../src/domain/tokens/tokens.ts'
import { fenced, read, table } from '../../support/markdown.ts'

const document = read('docs/service-binding.md')
const EXAMPLE = 'examples/api-worker'

function unindented(text: string): string {
  return text.replace(/^ +/gm, '')
}

/** The first name in backquotes. */
function nameIn(cell: string | undefined): string {
  return /`(\w+)/.exec(cell ?? '')?.[1] ?? ''
}

/** The members of an interface, in their order. */
function membersOf(file: string, name: string): readonly string[] {
  const body = new RegExp(`interface ${name}\\b[^{]*\\{(.*?)\\n\\}`, 's').exec(read(file))?.[1] ?? ''
  return [...body.matchAll(/^ {2}readonly (\w+)/gm)].map(([, member = '']) => member)
}

test.each(fenced(document, 'toml'))('has the lines that bind the example: %s', (code) => {
  expect(read(`${EXAMPLE}/wrangler.toml`)).toContain(code)
})

test.each(fenced(document, 'ts'))('has the lines of the example: %s', (code) => {
  expect(unindented(read(`${EXAMPLE}/index.ts`))).toContain(unindented(code))
})

test('starts the example as it says itself', () => {
  const code = fenced(document, 'bash').slice(0, 2).join('')
  expect(read(`${EXAMPLE}/index.ts`).replaceAll(' *   ', '')).toContain(code)
})

describe('the methods', () => {
  const rows = table(document, '| method | what it does | where `methods` is left out | round trips to D1 |')

  test('are those of the contract', () => {
    expect(rows.map(([method]) => nameIn(method))).toEqual(membersOf('src/rpc/contract.ts', 'TokenServiceBinding'))
  })

  test.each(rows.map(([method, , unlisted]) => [nameIn(method) as Method, unlisted]))(
    '%s %s where a binding lists none',
    (method, unlisted) => {
      const mayCall = () => requireMethod({}, method)
      if (unlisted === 'may be called') expect(mayCall).not.toThrow()
      else expect(mayCall).toThrow('Forbidden')
    },
  )
})

test('has every field of a client, and the one that only a refresh has', () => {
  const fields = table(document, '| field | from | |').map(([field]) => nameIn(field))
  expect(fields).toEqual([...Object.keys(Facts.shape), 'dpop'])
  expect(Object.keys(RefreshingCaller.shape)).toEqual(fields)
})

test('has every option of the verifier', () => {
  const options = table(document, '| option | what it is |').map(([option]) => nameIn(option))
  expect(options).toEqual(membersOf('src/verifier/verifier.ts', 'VerifierOptions'))
})

test('has the times of the code', () => {
  const cache = read('src/verifier/key-cache.ts')
  const constant = (name: string) => Number(new RegExp(`${name} = ([\\d_]+)`).exec(cache)?.[1])
  expect(constant('COOLDOWN_SECONDS')).toBe(30)
  expect(constant('GRACE_SECONDS')).toBe(3600)
  expect(constant('LOOK_MS') * constant('PATIENCE')).toBe(1000)
  expect(read('src/verifier/key-set.ts')).toContain('FETCH_MS = 3000')
  expect(JWKS_SECONDS).toBe(300)
})
