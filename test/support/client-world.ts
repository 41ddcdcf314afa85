/** A device with a client of Tessera, before the Worker that really serves: what it sent, what it keeps, and answers that get lost. */

import { env } from 'cloudflare:workers'

import { type Client, type ClientOptions, createClient, inMemory, type Storage } from '../../src/client/client.ts'
import { createAccount, PASSWORD, type TestAccount } from './accounts.ts'
import { expired } from './expired.ts'
import { HOME, ORIGIN, type Overrides, startWorker, type TestWorker } from './worker.ts'

/** What happens to a request on its way. `'lost'`: Tessera does what it asks, and the answer never comes. */
export type Way = (request: Request, go: () => Promise<Response>) => Promise<Response>

export interface Device {
  readonly account: TestAccount
  readonly worker: TestWorker
  /** What its clients keep, as text. */
  readonly storage: Storage
  /** One that is not signed in yet, in a tab of its own. */
  readonly openTab: (options?: Partial<ClientOptions>) => Client
  /** Where requests for a path went that have been sent so far. */
  readonly sent: (path: string) => number
  /** Every request goes this way from now on. */
  readonly via: (way: Way) => void
  readonly kept: () => Promise<Kept | null>
  readonly keep: (changes: Partial<Kept>) => Promise<void>
  /** The access token is over. `known`: by the clock of the device, too; else only the server notices. */
  readonly expire: (known?: boolean) => Promise<void>
  /** The sessions of the account that live. */
  readonly liveSessions: () => Promise<number>
  readonly move: (address: string) => void
}

export interface Kept {
  readonly access: string
  readonly refresh: string
  readonly over: number
  readonly sub?: string
  readonly key?: string
}

export const DIRECTLY: Way = (_request, go) => go()

/** A device of an account that is signed in by `signedIn()`. */
export async function openDevice(overrides: Overrides = {}, storage = inMemory()): Promise<Device> {
  const worker = startWorker(overrides)
  const account = await createAccount(env.DB)
  const sent: string[] = []
  let way = DIRECTLY
  let ip = HOME

  async function send(request: Request): Promise<Response> {
    sent.push(new URL(request.url).pathname)
    const { method, headers, url } = request
    const body = method === 'GET' ? {} : { body: await request.text() }
    const { pathname, origin } = new URL(url)
    return way(request, () => worker.call(pathname, { method, headers, origin, ip, ...body }))
  }

  async function keep(changes: Partial<Kept>): Promise<void> {
    await storage.save(JSON.stringify({ ...(await kept()), ...changes }))
  }

  async function kept(): Promise<Kept | null> {
    return JSON.parse((await storage.load()) ?? 'null') as Kept | null
  }

  return {
    account,
    worker,
    storage,
    openTab: (options = {}) => createClient({ url: ORIGIN, storage, fetch: send, ...options }),
    sent: (path) => sent.filter((one) => one === path).length,
    via: (next) => (way = next),
    kept,
    keep,
    async expire(known = false) {
      await keep({ access: await expired((await kept())?.access ?? ''), over: known ? 0 : Date.now() + 300_000 })
    },
    async liveSessions() {
      const live = 'SELECT count(*) AS n FROM sessions WHERE user_id = ? AND revoked_at IS NULL'
      return (await env.DB.prepare(live).bind(account.id).first<number>('n')) ?? 0
    },
    move: (address) => (ip = address),
  }
}

/** A tab of the device in which its owner has signed in. */
export async function signedIn(device: Device, options: Partial<ClientOptions> = {}): Promise<Client> {
  const tab = device.openTab(options)
  const answer = await tab.signIn(device.account.email ?? '', PASSWORD)
  if (!answer.ok) throw new Error(answer.code)
  return tab
}
