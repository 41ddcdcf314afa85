/**
 * The launcher in a small project of its own, with the npm of this machine: what it installs when, and on what it runs a
 * command. The whole of it, with an old npm, is in fresh-clone.test.ts.
 */

import { execFileSync, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

const LAUNCHER = join(import.meta.dirname, '../../scripts/launch.mjs')
const NODE_PACKAGE = `node-${process.platform}-${process.arch}`
/** What the project depends on: the first would run a script, the last two are for one platform each, as packages with binaries are. */
const PACKAGES = {
  left: { scripts: { install: `node -e "fs.writeFileSync('ran', '')"` } },
  right: {},
  here: { os: [process.platform], cpu: [process.arch] },
  elsewhere: { os: ['aix'], cpu: ['ppc64'] },
}
/** Without what npm tells the tests of this repository's own settings. */
const { npm_config_ignore_scripts: _, ...environment } = process.env
let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tessera-launch-'))
  mkdirSync(join(folder, 'scripts'))
  cpSync(LAUNCHER, join(folder, 'scripts/launch.mjs'))
  for (const [name, platform] of Object.entries(PACKAGES)) {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'package.json'), JSON.stringify({ name, version: '1.0.0', ...platform }))
    execFileSync('npm', ['pack', `./${name}`], { cwd: folder, stdio: 'ignore' })
  }
  const project = {
    name: 'project',
    version: '1.0.0',
    // Newer npms ask for it.
    allowScripts: { left: true },
    devDependencies: { left: 'file:left-1.0.0.tgz', right: 'file:right-1.0.0.tgz' },
    optionalDependencies: { here: 'file:here-1.0.0.tgz', elsewhere: 'file:elsewhere-1.0.0.tgz' },
  }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(project))
  execFileSync('npm', ['install', '--package-lock-only', '--offline'], { cwd: folder, stdio: 'ignore' })
})

beforeEach(() => {
  rmSync(join(folder, 'node_modules'), { recursive: true, force: true })
})

afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

describe('the launcher', () => {
  test('installs once, whatever npm is set to leave out, and runs the command with its arguments, its code and its signal', async () => {
    const first = await launch(['echo ran', 'with spaces', '$HOME'], { NODE_ENV: 'production' })
    expect([first.code, first.installations, first.lines.at(-1)]).toEqual([0, 1, 'ran with spaces $HOME'])

    expect(await launch(['exit 7'])).toMatchObject({ code: 7, installations: 0 })
    expect(await launch(['kill -TERM $$'])).toMatchObject({ signal: 'SIGTERM', installations: 0 })
  })

  test('lets no package run a script of its own, and neither does a plain npm ci of this repository', async () => {
    await launch(['true'])
    expect(existsSync(join(folder, 'node_modules/left/package.json'))).toBe(true)
    expect(existsSync(join(folder, 'node_modules/left/ran'))).toBe(false)

    const ci = () => execFileSync('npm', ['ci', '--offline'], { cwd: folder, stdio: 'ignore', env: environment })
    ci()
    expect(existsSync(join(folder, 'node_modules/left/ran')), 'the script of the package').toBe(true)
    cpSync(join(import.meta.dirname, '../../.npmrc'), join(folder, '.npmrc'))
    ci()
    rmSync(join(folder, '.npmrc'))
    expect(existsSync(join(folder, 'node_modules/left/ran'))).toBe(false)
  })

  test.each([
    ['a package is gone', () => rmSync(join(folder, 'node_modules/right'), { recursive: true })],
    ['an installation was interrupted', () => rmSync(join(folder, 'node_modules/.package-lock.json'))],
    [
      'it comes from another system',
      () => edit('node_modules/.package-lock.json', 'node_modules/here', 'node_modules/elsewhere'),
    ],
    ['the folder is from another version', () => edit('node_modules/.package-lock.json', '1.0.0', '0.9.0')],
  ])('installs again when %s', async (_why, harm) => {
    await launch(['true'])
    harm()
    expect(await launch(['true'])).toMatchObject({ code: 0, installations: 1 })
    expect(existsSync(join(folder, 'node_modules/right/package.json'))).toBe(true)
  })

  test('installs once when it is started twice at the same time', async () => {
    const both = await Promise.all([launch(['true']), launch(['true'])])
    expect(both.map(({ code }) => code)).toEqual([0, 0])
    expect(both[0].installations + both[1].installations).toBe(1)
  })

  test('takes no notice of the lock of a launcher that was killed', async () => {
    mkdirSync(join(folder, '.wrangler'), { recursive: true })
    const { pid = 0 } = await launch(['true'])
    rmSync(join(folder, 'node_modules'), { recursive: true })
    writeFileSync(join(folder, '.wrangler/install.lock'), String(pid))
    expect(await launch(['true'])).toMatchObject({ code: 0, installations: 1 })
    expect(existsSync(join(folder, '.wrangler/install.lock'))).toBe(false)
  })

  test('says before it installs that a Node is too old, where there is no other for this machine', async () => {
    const old = `data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.1.0'}})`
    const { code, lines } = await launch(['true'], { NODE_OPTIONS: `--import=${old}` })
    expect([code, ...lines]).toEqual([
      1,
      `Node 20.1.0 is too old here, since there is no bundled Node for ${process.platform} ${process.arch}. Install Node 22.18 or newer, best Node 24.`,
    ])
  })

  test('runs the command on the Node of the lock file, found by the path of its package', async () => {
    await launch(['true'])
    mkdirSync(join(folder, `node_modules/${NODE_PACKAGE}/bin`), { recursive: true })
    writeFileSync(join(folder, `node_modules/${NODE_PACKAGE}/bin/node`), '#!/bin/sh\necho bundled\n', { mode: 0o755 })
    expect((await launch(['node'])).lines).toEqual(['bundled'])
  })
})

async function launch(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, [join(folder, 'scripts/launch.mjs'), ...args], {
    cwd: folder,
    env: { ...environment, npm_config_offline: 'true', ...env },
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  }
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) =>
    child.on('close', (...ending) => resolve(ending)),
  )
  const lines = text.split('\n').filter((line) => line !== '')
  return { pid: child.pid, code, signal, lines, installations: text.split('Installing').length - 1 }
}

function edit(file: string, from: string, to: string): void {
  const path = join(folder, file)
  writeFileSync(path, readFileSync(path, 'utf8').replaceAll(from, to))
}
