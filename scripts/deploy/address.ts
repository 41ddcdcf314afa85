/** Where a deployment answers: on a domain of the account, or on the address that Cloudflare gives to every Worker. */

import dns from 'node:dns/promises'

import * as z from 'zod/mini'

import { type Cloudflare, CloudflareError } from './cloudflare.ts'
import { DeployProblem } from './problem.ts'
import { WORKERS_DEV } from './settings.ts'
import { findZone } from './zone.ts'

/** Only letters, digits and hyphens: an international name goes in as it stands in DNS, xn--. */
const HOST = /^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$/

/** The host of a domain, which may have been pasted with a scheme and a slash. Throws `DeployProblem`. */
export function parseDomain(text: string): string {
  const host = text
    .trim()
    .toLowerCase()
    .replace(/^https?:\/\//, '')
    .replace(/\/$/, '')
  if (host === WORKERS_DEV) return host
  if (!HOST.test(host)) throw new DeployProblem(`${text} is no domain: auth.example.com is one.`)
  if (host.endsWith(`.${WORKERS_DEV}`)) {
    throw new DeployProblem(`Cloudflare gives addresses on workers.dev itself: answer ${WORKERS_DEV}.`)
  }
  return host
}

export type DomainState = 'attached' | 'free' | 'points elsewhere'

/** What a domain serves today. Throws `DeployProblem` when this account cannot have it, or another Worker does. */
export async function checkDomain(
  cloudflare: Cloudflare,
  account: string,
  domain: string,
  worker: string,
): Promise<DomainState> {
  await checkZone(cloudflare, account, domain)
  const Domains = z.array(z.object({ hostname: z.string(), service: z.string() }))
  const path = `/accounts/${account}/workers/domains`
  const domains = await cloudflare.ask(Domains, path, { query: { hostname: domain } })
  const owner = domains.find(({ hostname }) => hostname === domain)?.service
  if (owner === worker) return 'attached'
  if (owner !== undefined) {
    throw new DeployProblem(`${domain} belongs to the Worker ${owner}: take it away there, or choose another domain.`)
  }
  // Without a terminal of its own wrangler replaces the records of a domain, whatever they are for.
  return (await resolves(domain)) ? 'points elsewhere' : 'free'
}

/** Whether DNS knows the host of an application that Tessera is to share. Throws `DeployProblem` when this account cannot route it. */
export async function checkSharedDomain(cloudflare: Cloudflare, account: string, domain: string): Promise<boolean> {
  await checkZone(cloudflare, account, domain)
  return resolves(domain)
}

async function checkZone(cloudflare: Cloudflare, account: string, domain: string): Promise<void> {
  const zone = await findZone(cloudflare, account, domain)
  if (zone === null) {
    throw new DeployProblem(
      `${domain} is on no domain of this account: add that at https://dash.cloudflare.com/${account}/add-site, or answer ${WORKERS_DEV}.`,
    )
  }
  if (zone.status !== 'active') {
    throw new DeployProblem(
      `${zone.name} is not active yet (${zone.status}): point its name servers to Cloudflare first.`,
    )
  }
}

/** Whether DNS has an address for a host. `false` also where no name server answers, since a deploy goes on then. */
function resolves(host: string): Promise<boolean> {
  return dns.lookup(host).then(
    () => true,
    () => false,
  )
}

/** `NAME.SUBDOMAIN.workers.dev`. Throws `DeployProblem` for an account that has no such subdomain yet. */
export async function workersDevHost(cloudflare: Cloudflare, account: string, worker: string): Promise<string> {
  const Subdomain = z.object({ subdomain: z.string() })
  try {
    const { subdomain } = await cloudflare.ask(Subdomain, `/accounts/${account}/workers/subdomain`)
    return `${worker}.${subdomain}.${WORKERS_DEV}`
  } catch (error) {
    if (!(error instanceof CloudflareError) || error.code !== 10007) throw error
    throw new DeployProblem(
      `The account has no workers.dev subdomain yet: choose one at https://dash.cloudflare.com/${account}/workers/onboarding, or give a domain.`,
    )
  }
}
