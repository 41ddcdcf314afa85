/** A copy of this repository whose `npm start` runs, and in which an operator types commands. */

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'

import { COMPILE_CACHE, copyCheckout } from './checkout.ts'
import { freePort, portOf, runCommand } from './command.ts'
import { ROOT } from './markdown.ts'

export interface Ran {
  /** Of its process; `null` where it was killed. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/**
 * Starts it, with a mail service that refuses every recipient whose address begins with `bounce`, until it is told to take them. The exports of
 * other systems lie in its folder.
 */
export async function startOperating() {
  const folder = copyCheckout('users', { installed: true })
  cpSync(join(ROOT, 'test/support/exports'), folder, { recursive: true })
  const mails: { readonly to: string; readonly subject: string }[] = []
  let refuses = true
  const api = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => (body += text))
    request.on('end', () => {
      const mail = JSON.parse(body) as (typeof mails)[number]
      const isRefused = refuses && mail.to.startsWith('bounce')
      if (!isRefused) mails.push(mail)
      response.writeHead(isRefused ? 422 : 200, { 'Content-Type': 'application/json' })
      response.end(isRefused ? '{"message":"The mailbox does not exist"}' : '{}')
    })
  }).listen(0, '127.0.0.1')
  await once(api, 'listening')
  const url = `http://127.0.0.1:${portOf(api.address())}/emails`
  const port = await freePort()
  const vars = ['MAIL_TRANSPORT:api', `MAIL_API_URL:${url}`, 'MAIL_API_KEY:key-of-the-api']
  const server = runCommand('npm', ['start', '--', '--port', String(port), '--var', ...vars], {
    cwd: folder,
    env: { ...process.env, CI: 'true', npm_config_ignore_scripts: 'true' },
  })
  await server.shows('Ctrl-C stops it.')

  // A document says `npm run users -- …`. What npm and the launcher add is tried once, by the test that needs it.
  const bin = join(folder, 'bin')
  mkdirSync(bin)
  const command = `exec "${process.execPath}" --disable-warning=ExperimentalWarning "${folder}/scripts/users.ts" "$@"`
  writeFileSync(
    join(bin, 'npm'),
    `#!/bin/sh\nwhile [ "$1" != users ]; do shift; done\nshift\n[ "$1" = -- ] && shift\n${command}\n`,
  )
  chmodSync(join(bin, 'npm'), 0o755)
  const environment = {
    ...process.env,
    PATH: `${bin}:${process.env['PATH'] ?? ''}`,
    INIT_CWD: folder,
    TZ: 'UTC',
    TESSERA_SERVICE_KEY: '',
    NODE_COMPILE_CACHE: COMPILE_CACHE,
  } as NodeJS.ProcessEnv

  return {
    folder,
    origin: `http://localhost:${port}`,
    mails,
    takeAllMails: () => {
      refuses = false
    },
    takesAllMails: () => !refuses,
    read: (name: string) => readFileSync(join(folder, name), 'utf8'),
    write: (name: string, text: string) => writeFileSync(join(folder, name), text),
    /** Runs a line of a shell, as an operator types it, in another environment where `env` says so. */
    shell(line: string, env: Readonly<Record<string, string>> = {}): Promise<Ran> {
      return new Promise((resolve) => {
        const options = { cwd: folder, env: { ...environment, ...env }, maxBuffer: 2 ** 24 }
        execFile('sh', ['-c', line], options, (error, stdout, stderr) => {
          resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : null, stdout, stderr })
        })
      })
    },
    /** Starts `npm run users -- …` and leaves it to its fate. */
    start(args: readonly string[]) {
      const script = ['--disable-warning=ExperimentalWarning', 'scripts/users.ts', ...args]
      return spawn(process.execPath, script, { cwd: folder, env: environment, stdio: 'ignore' })
    },
    async [Symbol.asyncDispose]() {
      await server.stop()
      api.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export type Operating = Awaited<ReturnType<typeof startOperating>>
