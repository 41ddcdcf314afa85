/**
 * The first minute on somebody else's machine: nothing installed, the npm that ships with Node 20, a terminal. That npm
 * drops a bin name which a skipped optional package shares (npm/cli#4362), so nothing may rely on `.bin/node`.
 */

import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify, stripVTControlCharacters } from 'node:util'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { copyCheckout } from '../support/checkout.ts'
import { type Command, descendants, freePort, isAlive, runCommand } from '../support/command.ts'

const NPM = '10.8.2'
const run = promisify(execFile)
let clone: string
let tools: string
let environment: NodeJS.ProcessEnv
let command: Command | undefined

beforeAll(async () => {
  clone = copyCheckout('fresh', { installed: false })
  tools = mkdtempSync(join(tmpdir(), 'tessera-npm-'))
  await run('npm', ['install', '--no-save', '--prefer-offline', '--prefix', tools, `npm@${NPM}`], { cwd: tools })
  environment = { ...process.env, npm_config_prefer_offline: 'true' }
  // A stranger has neither what npm tells its scripts, nor the binaries of this checkout.
  for (const name of Object.keys(environment)) {
    if (/^(npm_(?!config_prefer)|NODE_ENV$|NO_COLOR$|FORCE_COLOR$)/i.test(name)) delete environment[name]
  }
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'))
  environment['PATH'] = [join(tools, 'node_modules/.bin'), ...path].join(delimiter)
})

afterAll(async () => {
  await command?.stop()
  for (const folder of [clone, tools]) rmSync(folder, { recursive: true, force: true })
})

/** An installation from the registry, and the first start of a Worker. */
const FIRST_START_MS = 150_000

test(
  'npm start with the npm of Node 20, in a terminal, installs, introduces itself and signs in; Ctrl-C ends all of it',
  { timeout: FIRST_START_MS },
  async () => {
    expect((await run('npm', ['--version'], { env: environment })).stdout.trim()).toBe(NPM)
    const port = await freePort()
    // A terminal of its own, as `script` makes one; what is written to it is typed. Some shells would stay, and die of Ctrl-C.
    command = runCommand('script', ['-qfec', `exec npm start -- --port ${port}`, '/dev/null'], {
      cwd: clone,
      env: environment,
    })
    await command.shows('Ctrl-C stops it.')
    expect(existsSync(join(clone, 'node_modules/.bin/node')), 'this npm leaves .bin/node out').toBe(false)

    // npm's spinner turns in the same terminal.
    const shown = stripVTControlCharacters(command.text()).replace(/[\r\u2800-\u28ff]/g, '')
    expect(
      shown
        .slice(shown.indexOf('Installing'))
        .split('\n')
        .filter((line) => line !== ''),
    ).toEqual([
      'Installing dependencies …',
      expect.stringMatching(/^added \d+ packages in \d+/),
      `Tessera runs at http://localhost:${port}`,
      expect.stringMatching(/^ {2}confirmed@example\.com {4}\S{16} {2}\S{36}$/),
      expect.stringMatching(/^ {2}unconfirmed@example\.com {2}\S{16} {2}\S{36}$/),
      expect.stringMatching(/^ {2}inactive@example\.com {5}\S{16} {2}\S{36}$/),
      'Sign in, in another terminal:',
      expect.stringMatching(/^curl /),
      expect.stringContaining(`http://localhost:${port}/account`),
      'Administer accounts, in another terminal: npm run users',
      expect.stringContaining(`http://localhost:${port}/dev`),
      expect.stringContaining('/docs/'),
      expect.stringContaining('docs/api.md'),
      'Ctrl-C stops it. Accounts and sessions stay for the next start.',
    ])
    const { stdout } = await run('bash', ['-c', /^curl .*$/m.exec(shown)?.[0] ?? ''])
    expect(JSON.parse(stdout)).toMatchObject({ email: 'confirmed@example.com' })

    const processes = descendants(command.child.pid)
    command.child.stdin?.write('\u0003')
    expect([await command.ended(), processes.filter(isAlive)]).toEqual([0, []])
  },
)
