/**
 * `npm start`: a Tessera on this machine, with a real D1, a real queue and mails to read. Arguments go to `wrangler dev`.
 * Run it through npm, which has installed everything by then.
 */

import { randomBytes } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { type DemoAccounts, KINDS, prepareDemoAccounts } from './demo-accounts.ts'
import { root, runWrangler, SIGNALS, startWrangler } from './wrangler.ts'

const args = process.argv.slice(2)

writeDevVars()
const { accounts, sql } = await prepareDemoAccounts()
await prepareDatabase()
serve()

function writeDevVars(): void {
  const file = join(root, '.dev.vars')
  if (existsSync(file)) return
  const lines = [
    '# Written by `npm start`, for this machine only. Git ignores it.',
    `AUTH_SECRET=${newSecret()}`,
    `SERVICE_KEY=${newSecret()}`,
    'ISSUE_ACCESS=open',
  ]
  writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o600 })
  console.log('Wrote .dev.vars with fresh secrets.')
}

function newSecret(): string {
  return randomBytes(32).toString('base64')
}

async function prepareDatabase(): Promise<void> {
  const seed = join(root, '.wrangler/demo-accounts.sql')
  writeFileSync(seed, sql, { mode: 0o600 })
  const where = ['--local', ...persistence()]
  for (const command of [
    ['d1', 'migrations', 'apply', 'DB', ...where],
    ['d1', 'execute', 'DB', '--file', seed, ...where],
  ]) {
    const { ok, output } = await runWrangler(command, false)
    if (!ok) {
      console.error(output)
      process.exit(1)
    }
  }
}

/** The database must be the one that `wrangler dev` will serve. */
function persistence(): readonly string[] {
  const i = args.findIndex((arg) => arg === '--persist-to' || arg.startsWith('--persist-to='))
  return i < 0 ? [] : args.slice(i, args[i] === '--persist-to' ? i + 2 : i + 1)
}

function serve(): void {
  // The playground signs in with them.
  const demoAccounts = ['--var', `DEMO_ACCOUNTS:${JSON.stringify(accounts)}`]
  const child = startWrangler(
    ['dev', 'src/dev/index.ts', '--show-interactive-dev-session=false', ...demoAccounts, ...args],
    {
      // Without this, wrangler asks the network what `request.cf` should look like.
      CLOUDFLARE_CF_FETCH_ENABLED: 'false',
      ...(process.stdout.isTTY && { FORCE_COLOR: '1' }),
    },
  )
  let announced = false
  let pending = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    process.stdout.write(text)
    pending = announced ? '' : pending + text
    const origin = /Ready on (https?:\/\/[\w.:[\]-]+)/.exec(pending)?.[1]
    if (origin === undefined) return
    announced = true
    pending = ''
    console.log(introduction(origin.replace('0.0.0.0', 'localhost'), accounts))
  })
  child.stderr?.pipe(process.stderr)

  // Wrangler has a process group of its own; what reaches this process has to reach all of it.
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, signal)
    })
  }
  child.on('exit', (code) => process.exit(code ?? 0))
}

function introduction(origin: string, { confirmed, ...others }: DemoAccounts): string {
  const all = { confirmed, ...others }
  const credentials = JSON.stringify({ primary_email: confirmed.primary_email, password: confirmed.password })
  const json = "-H 'Content-Type: application/json'"
  return `
Tessera runs at ${origin}

Demo accounts (also in .wrangler/demo-accounts.json)
${KINDS.map((kind) => `  ${kind.padEnd(12)}${all[kind].guid}  ${all[kind].primary_email.padEnd(24)}${all[kind].password}`).join('\n')}

Try it, in another terminal:

  # A browser's way: the pair in cookies, then the next one
  curl -i -c cookies.txt ${origin}/${confirmed.guid}
  curl -i -b cookies.txt -c cookies.txt ${origin}/refresh

  # The same pair from elsewhere is refused, and its owner gets a mail: ${origin}/dev
  curl -i -b cookies.txt -H 'CF-Connecting-IP: 198.51.100.23' ${origin}/refresh

  # Everybody else's way: JSON
  curl -i ${json} -d '${credentials}' ${origin}/auth/token
  REFRESH=$(curl -s ${json} -d '${credentials}' ${origin}/auth/token | sed 's/.*"refresh":"\\([^"]*\\)".*/\\1/')
  curl -i ${json} -d "{\\"token\\":\\"$REFRESH\\"}" ${origin}/auth/token/verify
  curl -i ${json} -d "{\\"refresh\\":\\"$REFRESH\\"}" ${origin}/auth/token/refresh

  # The public key that other services verify access tokens with
  curl -i ${origin}/.well-known/jwks.json

Ctrl-C stops it.
`
}
