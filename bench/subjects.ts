/** What is measured: every Worker, what it is asked, and what it is compared with. */

import { createServer } from 'node:net'
import { join } from 'node:path'

import { bindSessions } from './bound.ts'
import { type Bundle, bundle } from './build.ts'
import type { Work } from './operations.ts'
import {
  emailOf,
  floorMint,
  ISSUER,
  type Mint,
  newGuids,
  PASSWORD,
  type SeededSession,
  seededSessions,
  signInUser,
  tesseraMint,
} from './seed.ts'
import { serve, type Served } from './serve.ts'
import { recordStatements } from './statements.ts'

export interface Subject {
  readonly key: string
  readonly label: string
  readonly server: Served
  readonly work: Work
  readonly connections: number
  /** The keys that its answers are checked with. */
  readonly mint: Mint
}

export interface Subjects {
  /** In the order of a round: every operation stands beside its floor. */
  readonly all: readonly Subject[]
  /** Tessera once more, to look at its memory: an inspected workerd is not one to measure. */
  readonly inspected: { readonly subjects: readonly Subject[]; readonly inspectorPort: number }
}

/** The connections of most operations: enough to keep one workerd busy. More of them would only queue. */
const CONNECTIONS = 8
/** The connections of hashes, each of which keeps the thread busy by itself. */
const HASHING_CONNECTIONS = 2

/** The secrets of the Worker under test, which guard nothing and may stand here. */
const SECRETS = {
  AUTH_SECRET: 'Bench7cVq4mS7tYp2Ke9Zr5Xn8Ld3Gh6Fa0Uo1Ii2Ss4Q=',
  SERVICE_KEY: 'Bench8pVt6Yw1Zx4Bc7Df0Gh2Jk5Lm9No-Rs6Tu8Vw1Xy=',
}

const FLOORS = ['text', 'verify', 'rotate', 'refresh', 'refresh-cookies', 'issue', 'password', 'sign-in'] as const
type Floor = (typeof FLOORS)[number]

/** Sessions in the table of every Worker but the largest. */
export const FEW_SESSIONS = 1000
/** Bound ones among them: each takes three requests to prepare. */
const BOUND_SESSIONS = 64

export interface Plan {
  readonly directory: string
  readonly bundles: Bundles
  readonly manySessions: number
  /** By the migrations of this checkout, or of another one. */
  readonly prepareDatabase: (anyWorker: Bundle, sessions: number, checkout?: string) => Promise<string>
  readonly log: (text: string) => void
}

export interface Bundles {
  readonly tessera: Bundle
  readonly floors: Readonly<Record<Floor, Bundle>>
  /** The Tessera of another checkout, beside which this one is measured. */
  readonly before: (Bundle & { readonly checkout: string }) | null
}

/** Bundles them all. `checkout`: of an earlier commit. */
export async function buildBundles(directory: string, checkout: string | undefined): Promise<Bundles> {
  const outdir = (name: string) => join(directory, 'bundles', name)
  const build = async (floor: Floor) => [floor, await bundle(floor, outdir(floor), `bench/floors/${floor}.ts`)] as const
  const [tessera, ...floors] = await Promise.all([bundle('tessera', outdir('tessera')), ...FLOORS.map(build)])
  const before =
    checkout === undefined
      ? null
      : { ...(await bundle('tessera-before', outdir('before'), undefined, checkout)), checkout }
  return { tessera, floors: Object.fromEntries(floors) as Record<Floor, Bundle>, before }
}

/** Starts them all. */
export async function startSubjects({
  directory,
  bundles,
  manySessions,
  prepareDatabase,
  log,
}: Plan): Promise<Subjects> {
  const { tessera, floors, before } = bundles
  log('preparing databases')
  const few = await prepareDatabase(floors.text, FEW_SESSIONS)
  const many = await prepareDatabase(floors.text, manySessions)

  log('starting one workerd each')
  const own = await tesseraMint(SECRETS.AUTH_SECRET)
  const { bindings: floorKeys, ...floor } = await floorMint()
  const storage = (name: string) => join(directory, 'run', name)
  const floorBindings = {
    ...floorKeys,
    VERIFY_JWK: JSON.stringify(own.jwk),
    STATEMENTS: JSON.stringify(await recordStatements()),
  }
  const startFloor = (name: Floor) =>
    serve(floors[name], { storage: storage(name), template: few, bindings: floorBindings })
  const startTessera = (
    name: string,
    template: string,
    inspected: { inspectorPort?: number } = {},
    from: Bundle = tessera,
  ) =>
    serve(
      { ...from, name },
      {
        storage: storage(name),
        template,
        bindings: { ...SECRETS, PUBLIC_URL: ISSUER },
        consumesQueues: true,
        ...inspected,
      },
    )

  const sessions = seededSessions(FEW_SESSIONS, 1, FEW_SESSIONS)
  const half = FEW_SESSIONS / 2
  const userId = signInUser(FEW_SESSIONS)
  const tokens = await Promise.all(sessions.slice(0, 64).map(own.access))
  const works = {
    verify: { kind: 'verify', tokens },
    refresh: await refreshes(own, sessions.slice(0, half)),
    cookies: await cookies(own, sessions.slice(half)),
    issue: { kind: 'issue', guids: newGuids(FEW_SESSIONS), serviceKey: SECRETS.SERVICE_KEY },
    signIn: {
      kind: 'sign-in',
      email: emailOf(userId),
      password: PASSWORD,
      userId,
    },
  } as const satisfies Record<string, Work>

  const all: Subject[] = []
  const add = (key: string, label: string, server: Served, mint: Mint, work: Work, connections = CONNECTIONS) =>
    all.push({ key, label, server, mint, work, connections })
  const server = await startTessera('tessera', few)

  add('F1', 'F1 text', await startFloor('text'), floor, { kind: 'text', body: 'ok' })
  add('F2', 'F2 + JSON, ES256 verify', await startFloor('verify'), floor, works.verify)
  add('verify', 'POST /auth/token/verify', server, own, works.verify)
  add('F3', 'F3 + D1 rotation', await startFloor('rotate'), floor, { kind: 'rotate', chains: sessions })
  add('F4', 'F4 + HMAC verify, both signatures', await startFloor('refresh'), floor, await refreshes(floor, sessions))
  add('refresh', 'POST /auth/token/refresh', server, own, works.refresh)
  add('cookies', 'GET /refresh', server, own, works.cookies)
  add('F4c', 'F4 in cookies + ES256 verify', await startFloor('refresh-cookies'), floor, await cookies(floor, sessions))
  const guids = sessions.slice(0, BOUND_SESSIONS).map(({ guid }) => guid)
  const bound = await bindSessions(server.port, guids, SECRETS.SERVICE_KEY)
  add('device', 'POST /refresh/device', server, own, bound)
  add('FG', 'two statements, both signatures', await startFloor('issue'), floor, { ...works.issue, serviceKey: null })
  add('issue', 'GET /{guid}', server, own, works.issue)
  const hash = { kind: 'text', body: HASH } as const
  add('F5', 'F5 one Argon2id hash', await startFloor('password'), floor, hash, HASHING_CONNECTIONS)
  add('sign-in', 'POST /auth/token', server, own, works.signIn, HASHING_CONNECTIONS)
  add(
    'F5s',
    'F5 + two round trips, both signatures',
    await startFloor('sign-in'),
    floor,
    works.signIn,
    HASHING_CONNECTIONS,
  )

  const large = seededSessions(manySessions, 1, manySessions, Math.max(1, Math.floor(manySessions / LARGE_CHAINS)))
  add('few', sizeLabel(FEW_SESSIONS), await startTessera('tessera-few', few), own, await refreshes(own, sessions))
  add('many', sizeLabel(manySessions), await startTessera('tessera-many', many), own, await refreshes(own, large))

  if (before !== null) {
    const template = await prepareDatabase(floors.text, FEW_SESSIONS, before.checkout)
    const earlier = await startTessera(before.name, template, {}, before)
    add('verify-before', 'POST /auth/token/verify, before', earlier, own, works.verify)
    add('refresh-before', 'POST /auth/token/refresh, before', earlier, own, await refreshes(own, sessions))
  }

  const inspectorPort = await freePort()
  const inspected = await startTessera(INSPECTED, few, { inspectorPort })
  const subjects = Object.entries(works).map(([kind, work]): Subject => {
    const key = `${INSPECTED} ${kind}`
    return { key, label: key, server: inspected, mint: own, work, connections: CONNECTIONS }
  })
  return { all, inspected: { subjects, inspectorPort } }
}

/** What F5 answers: the hash of its fixed password under its fixed salt. */
const HASH = 'bcaf6fd0e5aaa31b272240c38067653313e9f7802fc226ccf8416cf7bcf9e644'
/** More than a run refreshes, so hardly a session is met twice: a table is as large as what is touched of it. */
const LARGE_CHAINS = 20_000

const INSPECTED = 'tessera-inspected'

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

/** The label of an operation, which is also the name of its target. */
export function sizeLabel(sessions: number): string {
  return `refresh, ${sessions.toLocaleString('en')} sessions`
}

async function refreshes(mint: Mint, sessions: readonly SeededSession[]): Promise<Work> {
  const chains = await Promise.all(
    sessions.map(async (session) => ({ ...session, refresh: await mint.refresh(session) })),
  )
  return { kind: 'refresh', chains }
}

async function cookies(mint: Mint, sessions: readonly SeededSession[]): Promise<Work> {
  const chains = await Promise.all(
    sessions.map(async (session) => ({ access: await mint.access(session), refresh: await mint.refresh(session) })),
  )
  return { kind: 'cookies', chains }
}
