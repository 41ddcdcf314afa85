/**
 * The refresh libraries that browsers really run, against the Worker that really serves: three tabs that share one
 * storage, each with eight requests under way when the access token expires.
 *
 * The server is wrangler's own test harness: the Worker as `wrangler dev` builds and serves it, over HTTP, but up in
 * a second or two and with a migrated database. `wrangler dev` itself is tested beside this.
 */

import { createRequire } from 'node:module'
import { join } from 'node:path'

import axios, { type AxiosInstance, type AxiosResponse, create, isAxiosError } from 'axios'
import { type AxiosAuthRefreshRequestConfig, createAuthRefresh } from 'axios-auth-refresh'
import type * as AxiosJwt from 'axios-jwt'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTestHarness, type TestHarness } from 'wrangler'

import { createAccount, PASSWORD } from '../support/accounts.ts'
import { TEST_BINDINGS } from '../support/bindings.ts'
import { expired } from '../support/expired.ts'

const root = join(import.meta.dirname, '../..')
const TABS = 3
const REQUESTS = 8
const ROUNDS = 3
/** What the documentation of axios-auth-refresh says to send the refresh itself with. */
const UNGUARDED: AxiosAuthRefreshRequestConfig = { skipAuthRefresh: true }

interface Server {
  readonly harness: TestHarness
  readonly origin: string
}
const servers = new Map<number, Server>()

beforeAll(async () => {
  await Promise.all([0, 10].map(async (seconds) => servers.set(seconds, await startServer(seconds))))
})

afterAll(async () => {
  await Promise.all([...servers.values()].map(({ harness }) => harness.close()))
})

async function startServer(reuseSeconds: number): Promise<Server> {
  const harness = createTestHarness({
    workers: [
      {
        configPath: join(root, 'wrangler.toml'),
        // As secrets, they go before a developer's own .dev.vars.
        secrets: { ...TEST_BINDINGS, REFRESH_REUSE_SECONDS: String(reuseSeconds) },
      },
    ],
  })
  const { url } = await harness.listen()
  await harness.getWorker<Env>().applyD1Migrations('DB')
  return { harness, origin: url.origin }
}

/** What the tabs of one browser did in one round. */
interface Round {
  /** The status of every request, tab by tab: of its answer, or of the refresh that it waited for. */
  readonly statuses: readonly (readonly unknown[])[]
  /** The refresh tokens that were handed out. */
  readonly handedOut: readonly string[]
}

const EVERYBODY = { statuses: times(TABS, () => times(REQUESTS, () => 200)) }

/** In a window, every request of every tab ends well, round after round, and in one session. */
async function expectRoundsToEndWell(browser: Browser): Promise<void> {
  const [before] = await browser.sessions()
  for (let round = 0; round < ROUNDS; round++) {
    const { statuses, handedOut } = await browser.expireAndAsk()
    expect({ statuses }).toEqual(EVERYBODY)
    expect([handedOut.length, new Set(handedOut).size]).toEqual([TABS, 1])
  }
  const sessions = await browser.sessions()
  expect(sessions.map(({ sid }) => sid)).toEqual([before?.sid])
}

/** Without a window, one tab gets the next pair; `loss` is what the requests of the others came to. */
async function expectOneWinner(browser: Browser, loss: string): Promise<void> {
  const { statuses, handedOut } = await browser.expireAndAsk()
  expect(statuses.map((one) => one.join()).toSorted()).toEqual(
    [times(REQUESTS, () => 200), ...times(TABS - 1, () => times(REQUESTS, () => loss))].map(String),
  )
  expect(handedOut).toHaveLength(1)
}

describe('axios-auth-refresh, three tabs with one cookie jar', () => {
  test('and a window of 10 s: every request ends well, round after round, in one session', async () => {
    await expectRoundsToEndWell(await openCookieBrowser(10))
  })

  test('and no window: one tab wins, the others are told that they lost a race, and the session lives', async () => {
    const browser = await openCookieBrowser(0)
    const [before] = await browser.sessions()
    await expectOneWinner(browser, 'token_used')

    // The jar has the winner's pair, so a reload is all that the others need.
    const again = await browser.ask()
    expect({ statuses: again.statuses }).toEqual(EVERYBODY)
    const sessions = await browser.sessions()
    expect(sessions.map(({ sid }) => sid)).toEqual([before?.sid])
  })
})

describe('axios-jwt, three tabs with one storage', () => {
  test('and a window of 10 s: every request ends well, round after round, in one session', async () => {
    await expectRoundsToEndWell(await openStorageBrowser(10))
  })

  test('and no window: one tab wins, the others throw the storage away, though the session lives', async () => {
    const browser = await openStorageBrowser(0)
    const [before] = await browser.sessions()
    await expectOneWinner(browser, 'tokens cleared')
    const sessions = await browser.sessions()
    expect(sessions.map(({ sid }) => sid)).toEqual([before?.sid])
  })
})

interface Browser {
  /** Lets the access token expire, then asks from all tabs at once. */
  readonly expireAndAsk: () => Promise<Round>
  readonly ask: () => Promise<Round>
  /** What the owner sees with the newest pair that anybody was handed. */
  readonly sessions: () => Promise<readonly { sid: string }[]>
}

async function openCookieBrowser(reuseSeconds: number): Promise<Browser> {
  const { origin } = serverWith(reuseSeconds)
  const jar = new Map<string, string>()
  const handedOut: string[] = []
  let everyRequestFailed = barrier(0)

  function keep({ headers, config }: AxiosResponse): void {
    for (const line of headers['set-cookie'] ?? []) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      jar.set(name, value)
      if (name === 'refresh_token' && config.url === '/refresh') handedOut.push(value)
    }
  }

  /** An axios with a browser's cookies: read when a request leaves, written when its answer comes. */
  function openTab(): AxiosInstance {
    const tab = create({ baseURL: origin })
    tab.interceptors.request.use(async (config) => {
      const names = config.url === '/refresh' ? ['access_token', 'refresh_token'] : ['access_token']
      config.headers.set('Cookie', names.map((name) => `${name}=${jar.get(name)}`).join('; '))
      if (config.url === '/refresh') await everyRequestFailed.passed
      return config
    })
    tab.interceptors.response.use(
      (response) => {
        keep(response)
        return response
      },
      (error) => {
        if (isAxiosError(error) && error.config?.url === '/auth/me') everyRequestFailed.arrive()
        throw error
      },
    )
    // By default, this library gives up the other requests that are under way.
    createAuthRefresh(tab, () => tab.post('/refresh', undefined, UNGUARDED), { deduplicateRefresh: false })
    return tab
  }

  keep(await axios.get(`${origin}/${crypto.randomUUID()}`))
  const tabs = times(TABS, openTab)
  const ask = async () => {
    handedOut.length = 0
    everyRequestFailed = barrier(TABS * REQUESTS)
    return { statuses: await askFromAll(tabs), handedOut: [...handedOut] }
  }
  return {
    ask,
    async expireAndAsk() {
      jar.set('access_token', await expired(jar.get('access_token') ?? ''))
      return ask()
    },
    sessions: () => listSessions(origin, jar.get('access_token') ?? ''),
  }
}

async function openStorageBrowser(reuseSeconds: number): Promise<Browser> {
  const { origin, harness } = serverWith(reuseSeconds)
  const { DB } = await harness.getWorker<Env>().getEnv()
  const storage = new Map<string, string>()
  const handedOut: string[] = []
  let newest = ''
  let everyTabHasRead = barrier(TABS)

  const shared = {
    get: async (key: string) => storage.get(key) ?? null,
    set: async (key: string, value: string) => void storage.set(key, value),
    remove: async (key: string) => void storage.delete(key),
  }

  function openTab(): { readonly tab: AxiosInstance; readonly jwt: typeof AxiosJwt } {
    const jwt = loadOwnAxiosJwt()
    const tab = create({ baseURL: origin })
    jwt.applyAuthTokenInterceptor(tab, {
      getStorage: () => shared,
      async requestRefresh(refresh) {
        everyTabHasRead.arrive()
        await everyTabHasRead.passed
        const { data } = await axios.post<Tokens>(`${origin}/auth/token/refresh`, { refresh })
        handedOut.push(data.refresh)
        newest = data.access
        return { accessToken: data.access, refreshToken: data.refresh }
      },
    })
    return { tab, jwt }
  }

  const { email } = await createAccount(DB)
  const { data: first } = await axios.post<Tokens>(`${origin}/auth/token`, { primary_email: email, password: PASSWORD })
  newest = first.access
  const tabs = times(TABS, openTab)
  const [{ jwt } = openTab()] = tabs
  await jwt.setAuthTokens({ accessToken: first.access, refreshToken: first.refresh })
  const ask = async () => {
    handedOut.length = 0
    everyTabHasRead = barrier(TABS)
    return { statuses: await askFromAll(tabs.map(({ tab }) => tab)), handedOut: [...handedOut] }
  }
  return {
    ask,
    async expireAndAsk() {
      const refreshToken = (await jwt.getRefreshToken()) ?? ''
      await jwt.setAuthTokens({ accessToken: await expired((await jwt.getAccessToken()) ?? ''), refreshToken })
      return ask()
    },
    sessions: () => listSessions(origin, newest),
  }
}

interface Tokens {
  readonly access: string
  readonly refresh: string
}

const require = createRequire(import.meta.url)

/** axios-jwt keeps its state in its modules, so a tab of its own needs modules of its own. */
function loadOwnAxiosJwt(): typeof AxiosJwt {
  for (const path of Object.keys(require.cache)) if (path.includes('/axios-jwt/')) delete require.cache[path]
  return require('axios-jwt') as typeof AxiosJwt
}

async function askFromAll(tabs: readonly AxiosInstance[]): Promise<readonly (readonly unknown[])[]> {
  return Promise.all(
    tabs.map((tab) => Promise.all(times(REQUESTS, () => tab.get('/auth/me').then(statusOf, failureOf)))),
  )
}

function statusOf({ status }: AxiosResponse): number {
  return status
}

function failureOf(error: unknown): unknown {
  if (isAxiosError<{ code?: string }>(error)) return error.response?.data.code ?? error.code
  if (error instanceof Error && error.message.endsWith('Got 401 on token refresh; clearing both auth tokens')) {
    return 'tokens cleared'
  }
  return error
}

async function listSessions(origin: string, access: string): Promise<readonly { sid: string }[]> {
  const headers = { Authorization: `Bearer ${access}` }
  return (await axios.get<readonly { sid: string }[]>(`${origin}/auth/sessions`, { headers })).data
}

/**
 * Lets nobody pass before `count` have come. That is the worst case for tabs: none of them writes the storage before all
 * have read it.
 */
function barrier(count: number): { readonly arrive: () => void; readonly passed: Promise<undefined> } {
  const all = Promise.withResolvers<undefined>()
  let arrived = 0
  return {
    passed: all.promise,
    arrive() {
      arrived += 1
      if (arrived === count) all.resolve(undefined)
    },
  }
}

function serverWith(reuseSeconds: number): Server {
  const server = servers.get(reuseSeconds)
  if (server === undefined) throw new Error('no such server')
  return server
}

function times<T>(count: number, make: () => T): T[] {
  return Array.from({ length: count }, make)
}
