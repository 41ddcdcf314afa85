/**
 * `npm run package`: makes the npm package of what runs at those who use Tessera, in `dist/package`, and packs it. Its entries are the `exports` of
 * package.json, which name the sources; the package has them as JavaScript and types, and the Worker of its test kit, and nothing else of this repository.
 * `npm run package -- FOLDER` makes it there instead.
 */

import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

import { build } from 'esbuild'

import { writeTestingWorker } from './testing-worker.ts'
import { root } from './wrangler.ts'

const dist = resolve(process.argv[2] ?? join(root, 'dist'))
const target = join(dist, 'package')
const declarations = join(dist, 'declarations')

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
/** The source of each entry, by the name that others import: `client`, and not `./client`. */
const entries = new Map<string, string>(
  Object.entries<string>(manifest.exports).map(([name, source]) => [name.slice(2), source.slice(2)]),
)
/** The source of each command, by its name. */
const commands = new Map<string, string>(
  Object.entries<string>(manifest.bin).map(([name, source]) => [name, source.slice(2)]),
)

rmSync(target, { recursive: true, force: true })
mkdirSync(target, { recursive: true })
await writeScripts()
writeTypes()
await writeTestingWorker(join(target, 'testing'))
writeManifest()
for (const file of ['LICENSE', 'CHANGELOG.md']) cpSync(join(root, file), join(target, file))
// Beside the package, there is none of the pages that this one leads to.
const readme = readFileSync(join(root, 'docs/package.md'), 'utf8').replaceAll(/\[([^\]]+)\]\((?!#)[^)]+\)/g, '$1')
writeFileSync(join(target, 'README.md'), readme)
const [packed] = JSON.parse(
  execFileSync('npm', ['pack', '--json', '--pack-destination', dist], { cwd: target, encoding: 'utf8' }),
)
console.log(relative(process.cwd(), join(dist, packed.filename)))

/** One module an entry or command. What several of them need is a module beside them, so that a program has it once. */
async function writeScripts(): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: Object.fromEntries([...entries, ...commands]),
    outdir: target,
    bundle: true,
    splitting: true,
    format: 'esm',
    // The oldest Node that this package is for.
    target: ['es2023', 'node20'],
    chunkNames: 'shared-[hash]',
    external: ['cloudflare:*', 'node:*', ...Object.keys(manifest.peerDependencies ?? {})],
    logLevel: 'warning',
  })
  for (const command of commands.keys()) {
    const file = join(target, `${command}.js`)
    writeFileSync(file, `#!/usr/bin/env node\n${readFileSync(file, 'utf8')}`, { mode: 0o755 })
  }
}

/** The declarations of the entries, and of what they name: each source keeps its name and place. */
function writeTypes(): void {
  rmSync(declarations, { recursive: true, force: true })
  mkdirSync(declarations, { recursive: true })
  const project = join(declarations, 'tsconfig.json')
  const options = {
    noEmit: false,
    declaration: true,
    emitDeclarationOnly: true,
    outDir: declarations,
    rootDir: join(root, 'src'),
  }
  const files = [...entries.values()].map((source) => join(root, source))
  writeFileSync(
    project,
    JSON.stringify({ extends: join(root, 'tsconfig.json'), compilerOptions: options, files, include: [] }),
  )
  execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', project], { stdio: 'inherit' })
  const written = new Set<string>()
  for (const source of entries.values()) writeDeclaration(relative('src', source).replace(/\.ts$/, '.d.ts'), written)
  rmSync(declarations, { recursive: true })
}

function writeDeclaration(path: string, written: Set<string>): void {
  if (written.has(path)) return
  written.add(path)
  // Who has no bundler resolves declarations by the names of scripts.
  const text = readFileSync(join(declarations, path), 'utf8').replaceAll(
    /(from '|import\(')(\.[^']+)\.ts'/g,
    "$1$2.js'",
  )
  const file = join(target, 'types', path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
  for (const [, , imported = ''] of text.matchAll(/(from '|import\(')(\.[^']+)\.js'/g)) {
    writeDeclaration(join(dirname(path), `${imported}.d.ts`), written)
  }
}

function writeManifest(): void {
  const { name, version, description, license, peerDependencies, peerDependenciesMeta } = manifest
  const exports = Object.fromEntries(
    [...entries].map(([entry, source]) => {
      const types = `./types/${relative('src', source).replace(/\.ts$/, '.d.ts')}`
      return [`./${entry}`, { types, default: `./${entry}.js` }]
    }),
  )
  const published = {
    name,
    version,
    description,
    license,
    type: 'module',
    bin: Object.fromEntries([...commands.keys()].map((command) => [command, `./${command}.js`])),
    exports: { ...exports, './package.json': './package.json' },
    sideEffects: false,
    engines: { node: '>=20' },
    peerDependencies,
    peerDependenciesMeta,
  }
  writeFileSync(join(target, 'package.json'), `${JSON.stringify(published, null, 2)}\n`)
}
