/** A Tessera as a newcomer has it: a fresh copy of this repository and `npm start`, with its demo accounts. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { freePort } from '../support/command.ts'

export interface Account {
  readonly guid: string
  readonly primary_email: string
  readonly password: string
}

export interface Tessera {
  readonly origin: string
  readonly account: Account
  readonly serviceKey: string
  readonly stop: () => Promise<void>
}

const root = join(import.meta.dirname, '../..')

/** Starts one with the given variables over its own. Takes some seconds. */
export async function startTessera(variables: Readonly<Record<string, string>> = {}): Promise<Tessera> {
  const copy = copyRepository()
  const port = await freePort()
  const origin = `http://localhost:${port}`
  const vars = Object.entries(variables).flatMap(([name, value]) => ['--var', `${name}:${value}`])
  // Without `prestart`: it may run `npm ci`, which would empty the installation that the copy only links to.
  const child = spawn('npm', ['start', '--ignore-scripts', '--', '--port', String(port), ...vars], {
    cwd: copy,
    detached: true,
    env: { ...process.env, CI: 'true' },
  })
  await printed(child, 'Ctrl-C stops it.')
  const accounts = JSON.parse(readFileSync(join(copy, '.wrangler/demo-accounts.json'), 'utf8')) as {
    confirmed: Account
  }

  return {
    origin,
    account: accounts.confirmed,
    serviceKey: /^SERVICE_KEY=(.+)$/m.exec(readFileSync(join(copy, '.dev.vars'), 'utf8'))?.[1] ?? '',
    async stop() {
      if (child.pid !== undefined && child.exitCode === null) {
        const exited = once(child, 'exit')
        // What Ctrl-C does: the whole process group of the terminal gets the signal.
        process.kill(-child.pid, 'SIGINT')
        await exited
      }
      rmSync(copy, { recursive: true, force: true })
    },
  }
}

function copyRepository(): string {
  const copy = mkdtempSync(join(tmpdir(), 'tessera-browser-'))
  const files = execFileSync('git', ['ls-files', '-z', '-co', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
  for (const file of files.split('\0').filter((name) => name !== '' && !/^(test|node_modules)\b/.test(name))) {
    cpSync(join(root, file), join(copy, file))
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  return copy
}

async function printed(child: ChildProcess, expected: string): Promise<void> {
  let text = ''
  await new Promise<void>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
        if (text.includes(expected)) resolve()
      })
    }
    child.on('exit', () => reject(new Error(`it ended before it printed «${expected}»:\n${text}`)))
  })
}
