/**
 * `npm start`: a Tessera on this machine, with a real D1, a real queue and mails to read. Arguments go to `wrangler dev`.
 * Run it through npm, which has installed everything by then.
 */

import { accessSync, constants, mkdirSync } from 'node:fs'
import { join } from 'node:path'

import type { CheckedConfiguration } from './configuration.ts'
import { type DemoAccounts, provideDemoAccounts } from './demo-accounts.ts'
import { runDevServer } from './dev-server.ts'
import { introduction } from './introduction.ts'
import { isPrepared, prepareDatabase } from './local-database.ts'
import { writeNewFile } from './new-file.ts'
import { newSecret } from './new-secret.ts'
import { forgetServing, noteServing } from './serving.ts'
import { root } from './wrangler.ts'

const args = process.argv.slice(2)

process.on('exit', forgetServing)
try {
  process.exit(await start())
} catch (error) {
  // An error of the system, such as a missing right, is printed as one line. Any other one is a bug, and shows its stack.
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'MODULE_NOT_FOUND' || code === 'ERR_MODULE_NOT_FOUND') {
    fail('A package is not installed. Run this as `npm start`, which installs what is missing.')
  }
  if (!(error instanceof Error && 'syscall' in error)) throw error
  fail(`npm start cannot go on: ${error.message}`)
}

async function start(): Promise<number> {
  // The folder is tried here, since the error of a wrangler that cannot write into it does not name it.
  mkdirSync(join(root, '.wrangler'), { recursive: true })
  accessSync(join(root, '.wrangler'), constants.W_OK)
  writeDevVars()
  const accounts = provideDemoAccounts()
  // The configuration takes a second to check, since wrangler is loaded for it: the rest goes on meanwhile, and ends where the check fails.
  const checking = checkConfiguration()
  if (!(await isPrepared(args, accounts))) {
    const [failure] = await Promise.all([prepareDatabase(args, accounts), checking])
    if (failure !== undefined) {
      fail(
        `${failure}\nThe local database is not usable. Without the folder .wrangler/state, npm start makes a new one.`,
      )
    }
  }
  // The playground signs in with the passwords of these accounts.
  const playground = ['dist/playground/index.js', '--var', `DEMO_ACCOUNTS:${JSON.stringify(accounts)}`]
  return runDevServer([...playground, ...args], (origin) => {
    void checking.then((checked) => introduce(origin, accounts, checked))
  })
}

function introduce(origin: string, accounts: DemoAccounts, checked: CheckedConfiguration): void {
  noteServing(`${origin}${checked.basePath}`)
  console.log(introduction(origin, accounts, checked))
}

function writeDevVars(): void {
  const lines = [
    '# Written by npm start, for this machine only. Git ignores it.',
    `AUTH_SECRET=${newSecret()}`,
    `SERVICE_KEY=${newSecret()}`,
    'ISSUE_ACCESS=open',
    'REGISTRATION=open',
    '# Nothing, whatever wrangler.toml says: this machine goes by many names.',
    'PUBLIC_URL=',
  ]
  writeNewFile(join(root, '.dev.vars'), `${lines.join('\n')}\n`)
}

/** Ends this process when the configuration cannot be used. */
async function checkConfiguration(): Promise<CheckedConfiguration> {
  const { checkConfiguration: check } = await import('./configuration.ts')
  const checked = check(args)
  if (checked.problem !== undefined) fail([...checked.hints, checked.problem].join('\n'))
  return checked
}

function fail(message: string): never {
  console.error(message)
  process.exit(1)
}
