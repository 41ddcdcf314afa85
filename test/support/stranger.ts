/** A folder of somebody else, with an example of ours in it and what that needs, and programs that run there. */

import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { runCommand } from './command.ts'

/** What programs print that listen: ours, Next.js, and the server of SvelteKit. */
const LISTENS = /(?:listens on port |Local: +http:\/\/localhost:|Listening on http:\/\/[\w.:[\]]+:)(\d+)/

const root = join(import.meta.dirname, '../..')

export interface Program {
  readonly url: string
  readonly stop: () => Promise<unknown>
}

export interface Folder {
  readonly path: string
  readonly run: (command: string, ...args: string[]) => string
  /** Starts a program that prints the port it listens on. */
  readonly start: (command: string, args: readonly string[], env: Readonly<Record<string, string>>) => Promise<Program>
  readonly remove: () => void
}

/** Packs what this repository publishes, and gives the file. */
export function packTessera(): string {
  const printed = execFileSync('npm', ['run', '--silent', 'package'], { cwd: root, encoding: 'utf8' })
  return join(root, printed.trim().split('\n').at(-1) ?? '')
}

/** A copy of a folder of `examples/`, where what its lock file says is installed, and a package on top of it. */
export function copyExample(name: string, tarball?: string): Folder {
  const path = mkdtempSync(join(tmpdir(), 'tessera-recipe-'))
  cpSync(join(root, 'examples', name), path, { recursive: true })
  const run = (command: string, ...args: string[]) =>
    execFileSync(command, args, { cwd: path, encoding: 'utf8', stdio: 'pipe' })
  const quietly = ['--no-audit', '--no-fund', '--ignore-scripts']
  if (existsSync(join(path, 'package-lock.json'))) run('npm', 'ci', ...quietly)
  if (tarball !== undefined) run('npm', 'install', '--no-save', ...quietly, tarball)
  return {
    path,
    run,
    async start(command, args, env) {
      const child = runCommand(command, [...args], { cwd: path, env: { ...process.env, PORT: '0', ...env } })
      await child.shows(LISTENS)
      const port = LISTENS.exec(child.text())?.[1]
      return { url: `http://127.0.0.1:${port}`, stop: () => child.stop() }
    },
    remove: () => rmSync(path, { recursive: true, force: true }),
  }
}
