/**
 * The npm package as a stranger gets it: packed by `npm run package`, installed from that file into an empty folder, typed and run there. What npm's own tools
 * say of it is nothing.
 */

import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
import { publint } from 'publint'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { packTessera } from '../support/stranger.ts'

const root = join(import.meta.dirname, '../..')
const { exports: entries } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  exports: Readonly<Record<string, string>>
}
const names = Object.keys(entries).map((name) => name.slice(2))

let tarball: string
/** Of somebody who has installed it. */
let folder: string

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { cwd: folder, encoding: 'utf8', stdio: 'pipe' })
}

beforeAll(() => {
  tarball = packTessera()
  folder = mkdtempSync(join(tmpdir(), 'tessera-stranger-'))
  writeFileSync(join(folder, 'package.json'), '{"private":true,"type":"module"}')
  run('npm', 'install', '--no-audit', '--no-fund', tarball)
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the package', () => {
  test('brings nothing else along, and nothing of the Worker', () => {
    expect(readdirSync(join(folder, 'node_modules')).filter((name) => !name.startsWith('.'))).toEqual(['tessera'])
    const files = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' }).trim().split('\n')
    const expected =
      /^package\/(LICENSE|README\.md|CHANGELOG\.md|package\.json|[a-z-]+\.js|shared-\w+\.js|types\/.+\.d\.ts|testing\/.+)$/
    expect(files.filter((file) => !expected.test(file))).toEqual([])
    // But for that of the test kit.
    const ofKit = /^package\/testing\/(worker\.json|worker\/[\w.-]+\.(js|bin|wasm))$/
    expect(files.filter((file) => file.startsWith('package/testing/') && !ofKit.test(file))).toEqual([])
    expect(files).toEqual(expect.arrayContaining(names.map((name) => `package/${name}.js`)))
  })

  test('has no fault that publint finds', async () => {
    const data = readFileSync(tarball)
    const { messages } = await publint({ pack: { tarball: new Uint8Array(data).buffer }, strict: true })
    expect(messages).toEqual([])
  })

  test('has no fault in its types that attw finds, for those who import modules', async () => {
    const analysis = await checkPackage(createPackageFromTarballData(new Uint8Array(readFileSync(tarball))))
    // Node 20.19 and newer give a module to whoever requires one. What is older than `exports` finds none, as it should.
    const meant = new Set(['CJSResolvesToESM'])
    const problems = 'problems' in analysis ? analysis.problems : [analysis]
    const found = problems.filter((problem) => {
      const { kind = '', resolutionKind = '' } = problem as { kind?: string; resolutionKind?: string }
      return !meant.has(kind) && resolutionKind !== 'node10'
    })
    expect(found).toEqual([])
    expect('entrypoints' in analysis && Object.keys(analysis.entrypoints)).toEqual(
      expect.arrayContaining(names.map((name) => `./${name}`)),
    )
  })
})

describe('a stranger', () => {
  test('imports every entry in Node', () => {
    const script = `for (const name of ${JSON.stringify(names)}) console.log(name, Object.keys(await import('tessera/' + name)).length)`
    writeFileSync(join(folder, 'import.js'), script)
    const counts = run(process.execPath, 'import.js').trim().split('\n')
    expect(counts.map((line) => line.split(' ')[0])).toEqual(names)
  })

  test.each([
    ['bundler', 'esnext,dom', ''],
    ['nodenext', 'esnext,dom', ''],
    ['nodenext', 'esnext', 'node'],
  ])(
    'has types of every entry, where TypeScript resolves like %s, with the libraries %s %s',
    (resolution, lib, types) => {
      // The adapter of a framework is for those who have it.
      const hono = join(folder, 'node_modules/hono')
      if (!existsSync(hono)) symlinkSync(join(root, 'node_modules/hono'), hono)
      writeFileSync(
        join(folder, 'index.ts'),
        // The types of Hono themselves want a DOM.
        names
          .filter((name) => name !== 'hono' || lib.includes('dom'))
          .map((name, i) => `export * as e${i} from 'tessera/${name}'`)
          .join('\n'),
      )
      const flags = [
        '--ignoreConfig',
        '--noEmit',
        '--strict',
        '--skipLibCheck',
        'false',
        '--lib',
        lib,
        '--types',
        types,
        '--typeRoots',
        join(root, 'node_modules/@types'),
      ]
      const modules = ['--module', resolution === 'bundler' ? 'esnext' : resolution, '--moduleResolution', resolution]
      const tsc = join(root, 'node_modules/typescript/bin/tsc')
      try {
        run(process.execPath, tsc, ...flags, ...modules, 'index.ts')
      } catch (error) {
        expect.fail((error as { stdout: string }).stdout)
      }
    },
  )
})
