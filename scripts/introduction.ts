/** The introduction that `npm start` prints once it serves: the address, the accounts, a line to paste, and what to read. */

import type { CheckedConfiguration } from './configuration.ts'
import { type DemoAccounts, KINDS } from './demo-accounts.ts'

/** The introduction, of a dozen lines. `port` is the one that should have been served; hints about the configuration go last. */
export function introduction(
  origin: string,
  accounts: DemoAccounts,
  { port: wantedPort, basePath, hints }: Pick<CheckedConfiguration, 'port' | 'basePath' | 'hints'>,
): string {
  const { primary_email, password } = accounts.confirmed
  const { port, protocol } = new URL(origin)
  const isMoved = port !== '' && Number(port) !== wantedPort
  // The certificate of a local https is self-signed, which curl refuses without `-k`.
  const curl = protocol === 'https:' ? 'curl -k' : 'curl'
  return `
Tessera runs at ${origin}${basePath}${isMoved ? ` (${wantedPort} is taken, so this one is on ${port})` : ''}

${KINDS.map((kind) => accountLine(accounts[kind])).join('\n')}

Sign in, in another terminal:
${curl} -w '\\n' ${origin}${basePath}/auth/token -H 'Content-Type: application/json' -d '${JSON.stringify({ primary_email, password })}'

Sign up, as people do: ${origin}${basePath}/account
Administer accounts, in another terminal: npm run users
A page to play on, with the mails that were sent: ${origin}/dev
The API, to try in a browser: ${origin}${basePath}/docs/
More to paste: docs/api.md. How it works: docs/architecture.md
Ctrl-C stops it. Accounts and sessions stay for the next start.
${hints.map((hint) => `${hint}\n`).join('')}`
}

function accountLine({ primary_email, password, guid }: DemoAccounts['confirmed']): string {
  return `  ${primary_email.padEnd(23)}  ${password}  ${guid}`
}
