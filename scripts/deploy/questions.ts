/** What a deploy asks, in the order of its questions, and how an answer is read. */

import { answer } from './answer.ts'
import { checkDomain, checkSharedDomain, parseDomain, workersDevHost } from './address.ts'
import { type Accounts, type Cloudflare, listAccounts } from './cloudflare.ts'
import { MIN_PASSWORD_LENGTH, parseEmail } from './first-account.ts'
import type { Options } from './options.ts'
import { DeployProblem } from './problem.ts'
import type { Prompt } from './prompt.ts'
import { parseSender } from './sender.ts'
import { LOCATIONS, Location, type Settings, WORKERS_DEV } from './settings.ts'

/** Its dead letter queue is the longest name made of it: `NAME-mail-dead`, of at most 63 characters. */
const NAME = /^[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?$/

export function askName(
  prompt: Prompt | null,
  options: Options,
  known: readonly string[],
  proposal: string,
): Promise<string> {
  const [only, ...others] = known
  if (prompt !== null && options.name === undefined && known.length !== 1) {
    console.log('Answers are kept in .deploy, and not asked again. Enter takes what stands in brackets.\n')
    if (others.length > 0) console.log(`Deployed from here: ${known.join(', ')}`)
  }
  return answer(prompt, {
    flag: others.length > 0 ? `--name, one of ${known.join(', ')}` : '--name NAME',
    given: options.name,
    kept: others.length > 0 ? undefined : only,
    text: `Name of the Worker (${only ?? proposal}): `,
    empty: only ?? proposal,
    parse: (text) => {
      if (NAME.test(text)) return text
      throw new DeployProblem(`${text} is no name of a Worker: lower-case letters, digits and hyphens, at most 50.`)
    },
  })
}

/** The account to deploy to. Throws `DeployProblem` when this deployment lives in another one. */
export async function askAccount(
  prompt: Prompt | null,
  options: Options,
  settings: Settings,
  cloudflare: Cloudflare,
): Promise<string> {
  const named = options.account ?? process.env['CLOUDFLARE_ACCOUNT_ID']
  if (named !== undefined && settings.account !== undefined && named !== settings.account) {
    throw new DeployProblem(
      `This deployment lives in the account ${settings.account}, not in ${named}: choose another --name there.`,
    )
  }
  const known = named ?? settings.account
  if (known !== undefined) return known
  const accounts = await listAccounts(cloudflare)
  const [first, ...others] = accounts
  if (first === undefined) throw new DeployProblem('The token may see no account: give --account ID.')
  if (others.length === 0) return first.id
  console.log(accounts.map(({ name }, i) => `  ${i + 1}  ${name}`).join('\n'))
  return answer(prompt, {
    flag: '--account ID, since you have several',
    given: undefined,
    kept: undefined,
    text: `Account, 1 to ${accounts.length}: `,
    parse: (text) => pick(accounts, text),
  })
}

function pick(accounts: Accounts, text: string): string {
  const chosen = accounts[Number(text) - 1]
  if (chosen === undefined) throw new DeployProblem(`A number from 1 to ${accounts.length}, please.`)
  return chosen.id
}

export interface Address {
  readonly host: string
  readonly isDomain: boolean
  /** Whether this run attaches it: then its certificate may take minutes. */
  readonly isNew: boolean
}

interface Where {
  readonly cloudflare: Cloudflare
  readonly account: string
  /** Of the Worker. */
  readonly name: string
  /** Below which it shares the host of an application, or `''`. */
  readonly basePath: string
}

/** The address of Tessera, checked against the account. */
export function askAddress(
  prompt: Prompt | null,
  options: Options,
  kept: string | undefined,
  { cloudflare, account, name, basePath }: Where,
): Promise<Address> {
  return answer(prompt, {
    flag: `--domain DOMAIN, or --domain ${WORKERS_DEV}`,
    given: options.domain,
    kept,
    text: 'Domain, such as auth.example.com (none yet): ',
    empty: WORKERS_DEV,
    parse: async (text) => {
      const domain = parseDomain(text)
      if (domain === WORKERS_DEV) {
        const host = await workersDevHost(cloudflare, account, name)
        if (kept === undefined)
          console.log(`  ${host}, for now: the firewall and rate limiting rules of a domain do not reach it.`)
        return { host, isDomain: false, isNew: kept === undefined }
      }
      if (basePath !== '') {
        if (!(await checkSharedDomain(cloudflare, account, domain)))
          console.log(`  ${domain} points nowhere yet: the application on it needs its record, proxied by Cloudflare.`)
        return { host: domain, isDomain: true, isNew: false }
      }
      const state = await checkDomain(cloudflare, account, domain, name)
      if (state === 'points elsewhere' && options['replace-dns'] !== true) {
        const confirmed =
          prompt !== null &&
          /^y(es)?$/i.test(await prompt.ask(`  ${domain} points somewhere already. Replace that (y/N)? `))
        if (!confirmed)
          throw new DeployProblem(`${domain} points somewhere already: remove its record, or give --replace-dns.`)
      }
      return { host: domain, isDomain: true, isNew: state !== 'attached' }
    },
  })
}

export function askLocation(prompt: Prompt | null, options: Options, kept: string | undefined): Promise<Location> {
  const hints = Location.def.entries
  const order = Object.values(hints)
  if (prompt !== null && options.location === undefined && kept === undefined) {
    console.log('Where the database stands. It cannot be moved later: choose what is near most sign-ins.')
    console.log(order.map((hint, i) => `  ${i + 1}  ${hint.padEnd(5)}${LOCATIONS[hint]}`).join('\n'))
  }
  return answer(prompt, {
    flag: `--location ${order.join('|')}, where the database shall stand for good`,
    given: options.location,
    kept,
    text: `Location, 1 to ${order.length}: `,
    parse: (text) => {
      const hint = order[Number(text) - 1] ?? order.find((candidate) => candidate === text)
      if (hint === undefined) throw new DeployProblem(`${text} is no location: ${order.join(', ')}.`)
      return hint
    },
  })
}

/** Where a sender may be known from: an earlier answer, the Worker, and wrangler.toml. */
export interface KnownSenders {
  /** The answer of an earlier run; `null`: it was left for later. */
  readonly kept?: string | null | undefined
  readonly deployed?: string | undefined
  readonly written?: string | undefined
}

/** The sender of mails; `null`: later. In a build, wrangler.toml goes before the deployed Worker; elsewhere an answer holds until another is given. */
export async function askSender(
  prompt: Prompt | null,
  options: Options,
  { kept, deployed, written }: KnownSenders,
  isBuild = false,
): Promise<string | null> {
  const given = options['mail-from']
  const before = kept ?? deployed
  if (isBuild && given === undefined) return written ?? before ?? null
  const sender = await answer(prompt, {
    flag: '--mail-from SENDER, or --mail-from later',
    given,
    kept: before ?? written ?? (kept === null ? 'later' : undefined),
    text: 'Sender of mails, such as Tessera <auth@example.com> (later): ',
    empty: 'later',
    parse: (text) => (text === 'later' ? null : parseSender(text)),
  })
  if (given === undefined && before !== undefined && written !== undefined && written !== sender) {
    console.log(
      `Mails come from ${before} as before, not from ${written} as in wrangler.toml: --mail-from changes that.`,
    )
  }
  return sender
}

/** The address of an account to create; `null` for none, and where nobody can be asked. */
export async function askFirstAccount(
  prompt: Prompt | null,
  options: Options,
  kept: string | null | undefined,
): Promise<string | null> {
  if (prompt === null && options['first-account'] === undefined) return kept ?? null
  return answer(prompt, {
    flag: '--first-account EMAIL',
    given: options['first-account'],
    kept: kept === null ? 'none' : kept,
    text: 'E-mail of a first account (none): ',
    empty: 'none',
    parse: (text) => (text === 'none' ? null : parseEmail(text)),
  })
}

/** The password of the first account, typed twice since it is not shown. `null`: one is made up. */
export async function askPassword(prompt: Prompt | null): Promise<string | null> {
  if (prompt === null) return null
  for (;;) {
    const password = await prompt.askHidden('Its password (made up and kept in .deploy): ')
    if (password === '') return null
    if (password.length < MIN_PASSWORD_LENGTH) console.log(`  At least ${MIN_PASSWORD_LENGTH} characters, please.`)
    else if ((await prompt.askHidden('Once more: ')) === password) return password
    else console.log('  These two differ.')
  }
}
