/** The ledger is append-only: no code updates or deletes a row of `audit` but the purge, and that only after its retention. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { expect, test } from 'vitest'

const ROOT = new URL('../../../', import.meta.url).pathname

interface SourceFile {
  readonly path: string
  /** Without comments. */
  readonly code: string
}

function readAll(folder: string, pattern: RegExp): readonly SourceFile[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => pattern.test(path))
    .map((path) => ({
      path: `${folder}/${path.replaceAll('\\', '/')}`,
      code: readFileSync(join(ROOT, folder, path), 'utf8')
        .replace(/\/\*[\s\S]*?\*\//g, '')
        .replace(/^\s*(?:\/\/|--(?!>)).*$/gm, ''),
    }))
}

const files = ['src', 'scripts', 'bench', 'examples'].flatMap((folder) => readAll(folder, /\.(tsx?|m?js)$/))

/** The files whose code a pattern finds, with what it found. */
function found(pattern: RegExp, among: readonly SourceFile[] = files): readonly string[] {
  return among.flatMap(({ path, code }) => [...code.matchAll(pattern)].map(([text]) => `${path}: ${text}`))
}

/** SQL that changes or takes away rows of a table of this name, or the table; a name may be quoted. */
const CHANGING_SQL =
  /\b(?:update(?:\s+or\s+\w+)?|delete\s+from|replace\s+into|insert\s+or\s+replace\s+into|drop\s+table(?:\s+if\s+exists)?|alter\s+table|drop\s+trigger|create\s+trigger[^;]*?\bon)\s+["'`[]?audit\b/gi

/** The builders of statements that change or take away rows. */
const CHANGING_BUILDERS = /\b(?:update|deleteFrom)\(\s*(?:schema\.)?audit\b/g

test('what the patterns are to find, they find', () => {
  for (const code of [
    'UPDATE audit SET at = 0',
    'update or replace `audit` set',
    'DELETE FROM "audit"',
    "delete\n from 'audit'",
    'REPLACE INTO audit',
    'INSERT OR REPLACE INTO audit',
    'DROP TABLE IF EXISTS audit',
    'ALTER TABLE `audit` ADD x',
    'CREATE TRIGGER x AFTER INSERT ON audit',
    'CREATE TRIGGER x BEFORE UPDATE OF a, b ON "audit"',
  ]) {
    expect(found(CHANGING_SQL, [{ path: 'x', code }]), code).toHaveLength(1)
  }
  for (const code of ['update(audit).set({})', 'deleteFrom(\n  audit,\n)', 'update(schema.audit)']) {
    expect(found(CHANGING_BUILDERS, [{ path: 'x', code }]), code).toHaveLength(1)
  }
  expect(found(CHANGING_SQL, [{ path: 'x', code: 'INSERT INTO audit SELECT 1; SELECT * FROM audit' }])).toEqual([])
  expect(files.length).toBeGreaterThan(200)
})

test('no code changes the ledger by SQL, and none by a statement that is built', () => {
  expect(found(CHANGING_SQL)).toEqual([])
  expect(found(CHANGING_BUILDERS)).toEqual([])
})

test('the migrations make its table, and leave its rows alone', () => {
  expect(found(CHANGING_SQL, readAll('migrations', /\.sql$/))).toEqual([])
})

test('its table is known to the file that writes and reads it, and to the purge', () => {
  // By its name alone, or with all others: a type has no statement.
  const importing = files.filter(({ code }) =>
    [...code.matchAll(/import (?!type )([^'"]*?) from '[^']*\/schema\.ts'/g)].some(
      ([, names = '']) => /(?:^|[{,]\s*)audit\b/.test(names) || names.includes('*'),
    ),
  )
  const stores = importing.map(({ path }) => path).filter((path) => !path.startsWith('src/dev/'))
  expect(stores.toSorted()).toEqual(['src/db/operators/audit.ts', 'src/db/purge.ts'])
})

test('it is inserted into without a conflict that would change a row, and purged after its retention alone', () => {
  const [store, purge] = ['src/db/operators/audit.ts', 'src/db/purge.ts'].map(
    (path) => files.find((file) => file.path === path)?.code.replace(/^import .*$/gm, '') ?? '',
  )
  expect(store?.match(/\b(?!eq|gt|lt)\w+\(\s*audit\b/g)).toEqual(['insertInto(audit'])
  expect(store).not.toContain('onConflict')
  expect(purge?.match(/\baudit\b[^\n]*/g)).toEqual([
    'audit,',
    expect.stringMatching(/^audit, lte\(audit\.at, ago\(AUDIT_DAYS \* 86_400\)\)\),$/),
  ])
})
