/** The flags of `npm run deploy`, each an answer to one of its questions. */

import { parseArgs } from 'node:util'

import { DeployProblem } from './problem.ts'

export interface Options {
  readonly name?: string | undefined
  readonly account?: string | undefined
  readonly domain?: string | undefined
  readonly location?: string | undefined
  readonly 'mail-from'?: string | undefined
  readonly 'first-account'?: string | undefined
  readonly 'first-group'?: string | undefined
  readonly 'replace-dns'?: boolean | undefined
}

export const HELP = `npm run deploy -- [flags]   asks for what no flag says, and keeps the answers in .deploy/

  --name NAME             of the Worker; its database and its queues are named after it
  --account ID            the Cloudflare account, where you have several
  --domain DOMAIN         where Tessera answers, such as auth.example.com; workers.dev for an address without a domain
  --location HINT         where the database stands: wnam, enam, weur, eeur, apac or oc. It cannot be moved later
  --mail-from SENDER      such as "Tessera <auth@example.com>"; later to decide later
  --first-account EMAIL   an account that can sign in at once; none for none
  --first-group GROUP     of that account; user without it
  --replace-dns           takes the domain over although it points somewhere already`

/** Reads the command line; `null` asks for help. Throws `DeployProblem`. */
export function readOptions(args: readonly string[]): Options | null {
  const text = { type: 'string' } as const
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        name: text,
        account: text,
        domain: text,
        location: text,
        'mail-from': text,
        'first-account': text,
        'first-group': text,
        'replace-dns': { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
    const { help, ...options } = values
    return help === true ? null : options
  } catch (error) {
    const [reason = ''] = String(error instanceof Error ? error.message : error).split(/\. To specify|\n/)
    throw new DeployProblem(`${reason.replace(/\.$/, '')}. The flags: npm run deploy -- --help`)
  }
}
