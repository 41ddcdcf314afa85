/**
 * The OpenAPI document of the built Worker, as strangers use it: a linter finds nothing in it, a generator makes types of it that a program
 * compiles against, and another one classes of other languages.
 */

import { execFile, spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'

import { InputData, JSONSchemaInput, type LanguageName, quicktype } from 'quicktype-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestHarness, type TestHarness } from 'wrangler'

import { TEST_BINDINGS } from '../support/bindings.ts'
import { documentOf } from '../../src/http/openapi/document.ts'
import type { Described } from '../support/openapi.ts'

const root = join(import.meta.dirname, '../..')
const folder = join(root, '.wrangler/test-openapi')
const file = join(folder, 'openapi.json')

let harness: TestHarness
let issuer: string
let served: Described

beforeAll(async () => {
  harness = createTestHarness({ workers: [{ configPath: join(root, 'wrangler.toml'), secrets: TEST_BINDINGS }] })
  issuer = (await harness.listen()).url.origin
  await harness.getWorker<Env>().applyD1Migrations('DB')
  served = (await (await fetch(`${issuer}/openapi.json`)).json()) as Described
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  // A linter wants a server that is no machine of a developer's.
  writeFileSync(
    file,
    JSON.stringify({ ...served, servers: [{ ...served.servers[0], url: 'https://auth.tessera.test' }] }),
  )
})

afterAll(() => harness.close())

/** Runs a program of a package on this Node; what comes back is its exit code and everything that it printed. */
async function run(...args: readonly string[]): Promise<readonly [number, string]> {
  const env = { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true', NO_COLOR: '1' }
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: root, env, maxBuffer: 1 << 24 })
    return [0, stdout + stderr]
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    return [code, stdout + stderr]
  }
}

test('the built Worker has the document of the source', () => {
  expect(served).toEqual(JSON.parse(JSON.stringify(documentOf(issuer))))
})

test('redocly finds no error in it and no warning, by its recommended rules', async () => {
  const redocly = join(root, 'node_modules/@redocly/cli/bin/cli.js')
  const [code, output] = await run(redocly, 'lint', file, '--extends=recommended', '--format=json')
  const report = JSON.parse(output.slice(output.indexOf('{'), output.lastIndexOf('}') + 1)) as Record<string, unknown>
  expect(report['totals']).toEqual({ errors: 0, warnings: 0, ignored: 0 })
  expect(code).toBe(0)
})

/** A program that uses the types: each line with a mistake has to be one. */
const PROGRAM = `
import type { components, operations, paths } from './tessera.d.ts'

type Pair = paths['/auth/token']['post']['responses']['200']['content']['application/json']
type Refusal = operations['createTokenPair']['responses']['401']['content']['application/problem+json']

export function refreshToken(pair: Pair): string {
  return pair.refresh
}

export function isOver({ code }: Refusal): boolean {
  // @ts-expect-error -- no error has this code
  if (code === 'no_such_code') return false
  return code === 'no_active_account'
}

export const credentials: components['schemas']['Credentials'] = { primary_email: 'a@example.com', password: 'x' }
// @ts-expect-error -- the password is missing
export const half: components['schemas']['Credentials'] = { primary_email: 'a@example.com' }
export const user: paths['/admin/users']['post']['requestBody']['content']['application/json'] = { claims: { tenant: 'acme' } }
// @ts-expect-error -- another language
export const other: typeof user = { language: 'xx' }
export const query: NonNullable<operations['listUsers']['parameters']['query']> = { active: true, limit: 10 }
export const me = (own: operations['getAccount']['responses']['200']['content']['application/json']): boolean => own.confirmed
`

test('openapi-typescript makes types of it, and a program compiles against them', async () => {
  // The generator needs TypeScript as a library, which version 7 is not.
  const library = pathToFileURL(join(root, 'node_modules/@ts-morph/common/dist/typescript.js')).href
  const hook = `import { registerHooks } from 'node:module'
    registerHooks({ resolve: (name, context, next) => next(name === 'typescript' ? '${library}' : name, context) })`
  const generator = join(root, 'node_modules/openapi-typescript/bin/cli.js')
  const types = join(folder, 'tessera.d.ts')
  const made = await run(
    `--import=data:text/javascript,${encodeURIComponent(hook)}`,
    generator,
    file,
    '--output',
    types,
  )
  expect(made[0], made[1]).toBe(0)
  writeFileSync(join(folder, 'program.ts'), PROGRAM)
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const options = [
    '--ignoreConfig',
    '--noEmit',
    '--strict',
    '--allowImportingTsExtensions',
    '--module',
    'nodenext',
    '--types',
    '',
  ]
  expect(await run(tsc, ...options, join(folder, 'program.ts'))).toEqual([0, ''])
})

/** The components of the document as classes of another language. */
async function generate(lang: LanguageName): Promise<string> {
  const { schemas } = served.components
  const schema = JSON.stringify({ $defs: schemas }).replaceAll('#/components/schemas/', '#/$defs/')
  const input = new JSONSchemaInput(undefined)
  await input.addSource({ name: 'Tessera', schema, uris: Object.keys(schemas).map((name) => `#/$defs/${name}`) })
  const inputData = new InputData()
  inputData.addInput(input)
  const { lines } = await quicktype({ inputData, lang })
  return lines.join('\n')
}

test.each([
  ['python', (name: string) => `\nclass ${name}:\n`],
  ['go', (name: string) => `\ntype ${name} struct {\n`],
] as const)('quicktype makes a class in %s of every shape in it', async (lang, declaration) => {
  const code = await generate(lang)
  expect(Object.keys(served.components.schemas).filter((name) => !code.includes(declaration(name)))).toEqual([])
})

/** A program in Python that reads what the Worker answers, by the classes that were made. */
const READER = `
import json, sys
from tessera import Health, KeySet, Problem
health, keys, problem = json.load(sys.stdin)
read = Problem.from_dict(problem)
print(Health.from_dict(health).status.value, KeySet.from_dict(keys).keys[0].alg.value, read.code.value, read.status)
`

const hasPython = spawnSync('python3', ['--version']).status === 0

test.runIf(hasPython)('a program in Python reads by these classes what the Worker answers', async () => {
  writeFileSync(join(folder, 'tessera.py'), await generate('python'))
  const answers = await Promise.all(
    ['/healthz', '/.well-known/jwks.json', '/auth/me'].map(async (path) => (await fetch(`${issuer}${path}`)).json()),
  )
  const options = { cwd: folder, input: JSON.stringify(answers), encoding: 'utf8' } as const
  const { stdout, stderr } = spawnSync('python3', ['-B', '-c', READER], options)
  expect([stdout.trim(), stderr]).toEqual(['ok ES256 not_authenticated 401', ''])
})
