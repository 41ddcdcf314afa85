/**
 * The layout as a rule that runs: which layer may import which, and where the names of a library stop. Read from the
 * import statements of every file below src/.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

import { describe, expect, test } from 'vitest'

import { LANGUAGES } from '../../src/domain/language.ts'

const ROOT = new URL('../../', import.meta.url).pathname

interface SourceFile {
  /** Below src/, with slashes: `domain/sessions/refresh.ts`. */
  readonly path: string
  readonly text: string
  /** As written. */
  readonly imports: readonly string[]
}

/** Every module that a file names: static, type-only, for its effects, re-exported, and dynamic. */
function readImports(text: string): readonly string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
  const statements = code.matchAll(/^(?:import|export)\s(?:[^'"`;=(]*?\sfrom\s*)?['"]([^'"]+)['"]/gm)
  const dynamic = code.matchAll(/\bimport\(\s*['"`]([^'"`]+)['"`]/g)
  return [...statements, ...dynamic].map((match) => match[1] ?? '')
}

const files: readonly SourceFile[] = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .map((path) => path.replaceAll('\\', '/'))
  // Declarations are wrangler's, and have no code in them.
  .filter((path) => /\.tsx?$/.test(path) && !path.endsWith('.d.ts'))
  .map((path) => {
    const text = readFileSync(join(ROOT, 'src', path), 'utf8')
    return { path, text, imports: readImports(text) }
  })

/** The first folder below src/, or the name of a file that stands there by itself. */
function layerOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : path.replace(/\.tsx?$/, '')
}

/** The files of ours that a file imports, but for those without code. */
function targets({ path, imports }: SourceFile): readonly string[] {
  return imports
    .filter((specifier) => specifier.startsWith('.') && !/\.(json|bin|txt)$/.test(specifier))
    .map((specifier) => normalize(join(dirname(path), specifier)).replaceAll('\\', '/'))
}

function packages({ imports }: SourceFile): readonly string[] {
  return imports.filter((specifier) => !specifier.startsWith('.'))
}

const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  index: ['app', 'services', 'mail', 'own-address', 'token-service', 'unconfigured'],
  'token-service': ['errors', 'rpc', 'services'],
  rpc: ['domain', 'errors', 'log-refusal', 'shape', 'verifier'],
  app: ['http', 'errors'],
  'own-address': ['config', 'domain', 'errors', 'http'],
  services: [
    'config',
    'domain',
    'db',
    'mail',
    'event-binding',
    'event-sender',
    'health',
    'once',
    'leaked-passwords',
    'log',
    'password-primitives',
    'rate-limits',
  ],
  'password-primitives': ['domain', 'pure-hashes'],
  'pure-hashes': ['domain'],
  unconfigured: ['own-address', 'services', 'config', 'domain', 'http', 'pages'],
  'leaked-passwords': ['domain'],
  'event-sender': ['db', 'domain', 'event-queue', 'log', 'once'],
  'event-queue': ['domain', 'log'],
  once: [],
  'event-binding': ['domain'],
  health: ['config', 'domain', 'db', 'event-binding', 'log'],
  'rate-limits': ['domain', 'log'],
  http: ['domain', 'errors', 'error-reasons', 'error-remedies', 'log-refusal', 'pages', 'shape', 'words'],
  shape: ['errors'],
  'log-refusal': ['domain', 'errors', 'log'],
  pages: ['domain', 'errors', 'words'],
  words: ['domain'],
  db: ['domain', 'errors', 'log'],
  mail: ['domain', 'log', 'words'],
  config: ['domain', 'setting-kinds'],
  'setting-kinds': ['domain'],
  domain: ['errors', 'log'],
  errors: ['log'],
  'error-reasons': ['errors'],
  'error-remedies': ['errors'],
  log: ['domain'],
  // What other services take into their own programs: of the rules, what a test of the verifier names.
  verifier: ['domain', 'errors'],
  adapters: ['verifier'],
  // What runs at those who use Tessera. It shares no code with the Worker.
  client: [],
  // The playground of `npm start`, an entry of its own around the real one. It is in nobody's list: nothing deployed may know it.
  dev: ['index', 'services', 'http', 'rpc', 'mail', 'db', 'domain', 'errors', 'log', 'words'],
  // The test kit of those who use Tessera: an entry around the real Worker as well, and what starts it in Node. Nothing deployed may know it either.
  testing: ['index', 'services', 'db', 'domain'],
}

/** `file imports what`, for every import that a rule forbids. */
function violations(isAllowed: (file: SourceFile, imported: string) => boolean, of = packages): readonly string[] {
  return files.flatMap((file) =>
    of(file)
      .filter((imported) => !isAllowed(file, imported))
      .map((imported) => `${file.path} imports ${imported}`),
  )
}

/** Modules that a file evaluates as soon as it is loaded itself. */
function eager({ text }: SourceFile): readonly string[] {
  return [...text.matchAll(/^(?:import|export) (?!type )(?:[^'"]*? from )?['"](.+)['"]$/gm)].map(
    ([, name]) => name ?? '',
  )
}

test('the reader of imports sees every form of them', () => {
  const text = `
    /** import { no } from 'no' */
import { a } from 'a'
import type { b } from 'b'
import * as c from 'c'
import type * as d from 'd'
import e, { type E } from 'e'
import {
  f,
  type F,
} from "f"
import 'g'
export { h } from 'h'
export * from 'i'
export type { j } from 'j'
// import { no } from 'no'
export const x = 'no'
export const y = from('no')
const z = await import('k')
type Z = import('l').Z
  `
  expect(readImports(text)).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l'])
})

test('every file was read', () => {
  expect(files.length).toBeGreaterThan(25)
  // Whatever is imported from us exists, so no import was misread.
  const known = new Set(files.map(({ path }) => path))
  expect(violations((_file, imported) => known.has(imported), targets)).toEqual([])
  // And whatever looks like an import was taken for one.
  const statements = files.map(({ text }) => text.match(/\bfrom '|\bimport\('/g)?.length ?? 0)
  const found = files.map(({ imports }) => imports.length)
  expect(found).toEqual(statements)
})

function mayImport({ path }: SourceFile, imported: string): boolean {
  return [layerOf(path), ...(MAY_IMPORT[layerOf(path)] ?? [])].includes(layerOf(imported))
}

describe('imports', () => {
  test('every layer is known', () => {
    expect(files.map(({ path }) => layerOf(path)).filter((layer) => !(layer in MAY_IMPORT))).toEqual([])
  })

  test('go from layer to layer in one direction', () => {
    expect(violations(mayImport, targets)).toEqual([])
  })

  test('the entry point needs of the mail its handlers alone', () => {
    const index = files.find(({ path }) => path === 'index.ts')
    expect(targets(index ?? { path: '', text: '', imports: [] }).filter((path) => layerOf(path) === 'mail')).toEqual([
      'mail/queue.ts',
      'mail/delivery.ts',
    ])
  })

  test('make no cycle', () => {
    const graph = new Map(files.map((file) => [file.path, targets(file)]))
    const done = new Set<string>()
    const cycles: string[] = []
    function visit(path: string, trail: readonly string[]): void {
      if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(' → '))
      if (trail.includes(path) || done.has(path)) return
      for (const next of graph.get(path) ?? []) visit(next, [...trail, path])
      done.add(path)
    }
    for (const path of graph.keys()) visit(path, [])
    expect(cycles).toEqual([])
  })

  test('name files with their extension, as Node and bundlers both read them', () => {
    expect(violations((_file, imported) => /\.tsx?$/.test(imported), targets)).toEqual([])
  })
})

/** From left to right: a noun knows itself and those before it. */
const NOUNS = ['places', 'tokens', 'mails', 'events', 'accounts', 'sessions', 'operators']

function nounOf(path: string): number {
  return NOUNS.indexOf(/^domain\/([^/]+)\//.exec(path)?.[1] ?? '')
}

describe('the seven nouns', () => {
  test('are the rooms of the rules', () => {
    const rooms = files.flatMap(({ path }) => /^domain\/([^/]+)\//.exec(path)?.[1] ?? [])
    expect([...new Set(rooms)].toSorted()).toEqual(NOUNS.toSorted())
  })

  test('know themselves and those to their left', () => {
    const rules = files.filter(({ path }) => nounOf(path) >= 0)
    expect(rules.length).toBeGreaterThan(20)
    const backwards = rules.flatMap((file) =>
      targets(file)
        .filter((imported) => nounOf(imported) > nounOf(file.path))
        .map((imported) => `${file.path} imports ${imported}`),
    )
    expect(backwards).toEqual([])
  })

  test('are gathered by services.ts, which has no other type of its own', () => {
    const gatherer = files.find(({ path }) => path === 'domain/services.ts')?.text ?? ''
    expect(gatherer.match(/^(export )?(interface|type|const|function|class) \w+/gm)).toEqual([
      'export interface Services',
    ])
  })

  test('are gathered by services.ts; beside it, what was chosen knows places, and who asks knows proofs as well', () => {
    const beside = files.filter(({ path }) => /^domain\/[^/]+$/.test(path) && path !== 'domain/services.ts')
    expect(beside.flatMap(({ path, imports }) => imports.map((name) => `${path} imports ${name}`))).toEqual([
      'domain/caller.ts imports ./places/place.ts',
      'domain/caller.ts imports ./tokens/proof.ts',
      'domain/settings.ts imports ./places/place.ts',
    ])
  })

  test('have the interface of each store in the file that is named for what it keeps', () => {
    const stores = files.flatMap(({ path, text }) =>
      [...text.matchAll(/^export function create\w+\(.*\): (\w+Store|Outbox) \{$/gm)].map(([, port = '']) => {
        const noun = /^db\/([^/.]+)/.exec(path)?.[1] ?? ''
        const kept = port
          .replace(/Store$/, '')
          .replace(/\B[A-Z]/g, '-$&')
          .toLowerCase()
        // A table of many is in the plural: `LinkStore` stands in `links.ts`.
        return { port, homes: [`domain/${noun}/${kept}.ts`, `domain/${noun}/${kept}s.ts`] }
      }),
    )
    expect(stores.map(({ port }) => port)).toContain('SessionStore')
    expect(stores.length).toBeGreaterThanOrEqual(5)
    const misplaced = stores.filter(
      ({ port, homes }) =>
        !files.some(({ path, text }) => homes.includes(path) && text.includes(`export interface ${port} {`)),
    )
    expect(misplaced).toEqual([])
  })

  test('name the stores, each a file or a room', () => {
    const PLUMBING = ['d1', 'migration-check', 'purge', 'query', 'schema', 'statement']
    const stores = files.flatMap(({ path }) => /^db\/([^/.]+)/.exec(path)?.[1] ?? [])
    expect([...new Set(stores)].filter((name) => !NOUNS.includes(name)).toSorted()).toEqual(PLUMBING)
  })

  test('name the routes, but for the pair, its returns and its browsers, which are matched last, for pages of accounts, and for discovery, health and keys, which are of the deployment', () => {
    const routes = files.flatMap(({ path }) => /^http\/routes\/(.+)\.ts$/.exec(path)?.[1] ?? [])
    expect(routes.filter((name) => !NOUNS.includes(name)).toSorted()).toEqual([
      'device',
      'discovery',
      'health',
      'keys',
      'pages',
      'pair',
      'return',
    ])
  })
})

describe('folders', () => {
  test('have 3 files or folders, at most 16 files, and no folder in the second of two', () => {
    const folders = [...new Set(files.map(({ path }) => dirname(path)))].filter((folder) => folder !== '.')
    const filesIn = (folder: string) => files.filter(({ path }) => dirname(path) === folder).length
    const foldersIn = (folder: string) => folders.filter((path) => dirname(path) === folder).length
    expect(folders.filter((folder) => filesIn(folder) > 16)).toEqual([])
    expect(folders.filter((folder) => filesIn(folder) + foldersIn(folder) < 3)).toEqual([])
    expect(files.filter(({ path }) => path.split('/').length > 3).map(({ path }) => path)).toEqual([])
  })
})

describe('libraries', () => {
  test('the rules need hono/jwt and zod, and nothing of the platform', () => {
    expect(
      violations(({ path }, name) => layerOf(path) !== 'domain' || /^(hono\/utils\/jwt\/jwt|zod\/mini)$/.test(name)),
    ).toEqual([])
  })

  test('the error table needs nothing, and neither does the verifier', () => {
    expect(violations(({ path }) => !['errors', 'verifier'].includes(layerOf(path)))).toEqual([])
  })

  test('Drizzle stops at the stores', () => {
    expect(
      violations(
        ({ path }, name) => !name.startsWith('drizzle-orm') || layerOf(path) === 'db' || path === 'dev/records.ts',
      ),
    ).toEqual([])
  })

  test('Hono stops at HTTP, but for its JWT codec and its escaping', () => {
    const exceptions: Readonly<Record<string, string>> = { domain: 'hono/utils/jwt/jwt', mail: 'hono/html' }
    const mayUse = ({ path }: SourceFile, name: string) =>
      ['adapters', 'app', 'unconfigured', 'http', 'pages', 'dev'].includes(layerOf(path)) ||
      exceptions[layerOf(path)] === name
    expect(violations((file, name) => !/^hono(\/|$)/.test(name) || mayUse(file, name))).toEqual([])
  })

  test('Cloudflare and Node stop at the edge of the program', () => {
    const platform = /^(cloudflare|node|workerd):/
    const edge = /^(index|services|password-primitives|token-service)\.ts$/
    const isAtEdge = ({ path }: SourceFile) => edge.test(path) || layerOf(path) === 'testing'
    expect(violations((file, name) => !platform.test(name) || isAtEdge(file))).toEqual([])
  })

  test('zod-openapi stops at the document that it makes', () => {
    expect(violations(({ path }, name) => name !== 'zod-openapi' || path.startsWith('http/openapi/'))).toEqual([])
  })

  test('D1 stops at the stores', () => {
    const naming = files.filter(({ path, text }) => layerOf(path) !== 'db' && /\bD1[A-Z]\w+/.test(text))
    expect(naming.map(({ path }) => path)).toEqual([])
  })

  test('zod is its small edition, as a namespace: the other one, and a named import, bundle what nobody uses', () => {
    const named = files.filter(({ text }) =>
      [...text.matchAll(/^(import .*)from 'zod\/mini'/gm)].some(
        ([, how]) => !/^import (type )?\* as z $/.test(how ?? ''),
      ),
    )
    expect(named.map(({ path }) => path)).toEqual([])
    expect(violations((_file, name) => !/^zod(\/|$)/.test(name) || /^zod\/(mini|locales)$/.test(name))).toEqual([])
  })
})

describe('what few isolates need', () => {
  test('is loaded when it is met: pages, words, the OpenAPI document and the reference, passwords of imported accounts, and what judges new passwords', () => {
    const loaded = files.flatMap((file) => eager(file).map((name) => [file.path, name] as const))
    expect(loaded.length).toBeGreaterThan(100)
    // What answers with pages of accounts is loaded when it is met itself.
    expect(
      loaded.filter(
        ([path, name]) => name.includes('/pages/') && !/^(pages|http\/people|http\/reference)\//.test(path),
      ),
    ).toEqual([])
    expect(loaded.filter(([path, name]) => name.includes('/people/') && !path.startsWith('http/people/'))).toEqual([])
    const ofDocument = /\/openapi\/|answer-contract|\/error-(?:reasons|remedies)|\/reference\//
    expect(
      loaded.filter(
        ([path, name]) => ofDocument.test(name) && !/^http\/(?:openapi|reference)\/|answer-contract/.test(path),
      ),
    ).toEqual([])
    // The playground is no part of what is deployed, and speaks English.
    const ofLanguage = /(?:^\.|\/words)\/(?:en|ru)\.ts$/
    expect(loaded.filter(([path, name]) => ofLanguage.test(name) && !path.startsWith('dev/'))).toEqual([])
    // What starts the test kit runs in Node.
    expect(loaded.filter(([path, name]) => name.startsWith('node:') && !path.startsWith('testing/'))).toEqual([])
    expect(loaded.filter(([, name]) => /\.bin$|\/(most-used|leaked)-passwords/.test(name))).toEqual([])
  })

  test("is not Drizzle's driver, which would run what is only written here", () => {
    expect(violations((_file, name) => !/^drizzle-orm\/(?!sqlite-core$)/.test(name))).toEqual([])
  })
})

/** The words of a language. */
function isLanguage({ path }: SourceFile): boolean {
  return LANGUAGES.some((language) => path === `words/${language}.ts`)
}

describe('files', () => {
  test('are named in kebab-case', () => {
    const parts = files.flatMap(({ path }) => path.split('/'))
    expect(parts.filter((part) => !/^[a-z][a-z0-9]*(-[a-z0-9]+)*(\.tsx?)?$/.test(part))).toEqual([])
  })

  test('are named for an idea', () => {
    const vague = /(^|[/-])(utils?|helpers?|commons?|misc)([-./]|$)/
    expect(files.map(({ path }) => path).filter((path) => vague.test(path))).toEqual([])
  })

  test('do more than pass on what others export', () => {
    const barrels = files.filter(({ text }) => {
      const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
      return code.replace(/^(import|export)\s[^'"`;=(]*?\sfrom\s*'[^']+'$/gm, '').trim() === ''
    })
    expect(barrels.map(({ path }) => path)).toEqual([])
    expect(files.filter(({ text }) => /^export\s+\*\s/m.test(text)).map(({ path }) => path)).toEqual([])
  })

  test('have at most 250 lines, but for the words of a language and the schema, each of which is one file', () => {
    const long = files
      .filter((file) => !isLanguage(file) && file.path !== 'db/schema.ts')
      .map(({ path, text }) => ({ path, lines: text.trimEnd().split('\n').length }))
    expect(long.filter(({ lines }) => lines > 250)).toEqual([])
  })

  test('open with what they are for', () => {
    expect(files.filter(({ text }) => !text.startsWith('/**')).map(({ path }) => path)).toEqual([])
  })
})

const tests = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
  .map((path) => path.replaceAll('\\', '/'))
  .filter((path) => path.endsWith('.ts'))

/** The folders of a ring of tests that are not named for a noun; `''` is the ring itself. */
function roomsBesideNouns(ring: string): ReadonlySet<string> {
  const rooms = tests
    .filter((path) => path.startsWith(`${ring}/`))
    .map((path) => path.split('/').slice(1, -1).join('/'))
  return new Set(rooms.filter((room) => !NOUNS.includes(room)))
}

describe('the tests', () => {
  test('have the nouns of the rules for rooms, beside one for what concerns them all', () => {
    expect(roomsBesideNouns('unit')).toEqual(new Set(['', 'documents', 'scripts']))
    expect(roomsBesideNouns('worker')).toEqual(new Set(['whole']))
  })

  test('have at most 600 lines', () => {
    const long = tests.filter(
      (path) =>
        readFileSync(join(ROOT, 'test', path), 'utf8')
          .trimEnd()
          .split('\n').length > 600,
    )
    expect(long).toEqual([])
  })

  test('open with what they are for', () => {
    const silent = tests.filter((path) => !readFileSync(join(ROOT, 'test', path), 'utf8').startsWith('/**'))
    expect(silent).toEqual([])
  })
})
