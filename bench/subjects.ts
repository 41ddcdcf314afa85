/** What is measured: every Worker, what it is asked, and what it is compared with. */

import { join } from 'node:path'

import { type Bundle, bundle } from './build.ts'
import type { Work } from './operations.ts'
import {
  emailOf,
  floorMint,
  guidOf,
  type Mint,
  PASSWORD,
  type SeededSession,
  seededSessions,
  SIGN_IN_USER,
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
  readonly tessera: Bundle
  readonly hono: Bundle
}

/** Enough to keep one workerd busy, and no more: beyond that they only queue. */
const CONNECTIONS = 8
/** A hash is long, and fills its thread by itself. */
const HASHING_CONNECTIONS = 2

/** The secrets of the Worker under test guard nothing. */
const SECRETS = {
  AUTH_SECRET: 'Bench7cVq4mS7tYp2Ke9Zr5Xn8Ld3Gh6Fa0Uo1Ii2Ss4Q=',
  SERVICE_KEY: 'Bench8pVt6Yw1Zx4Bc7Df0Gh2Jk5Lm9No-Rs6Tu8Vw1Xy=',
}

const FLOORS = ['text', 'verify', 'rotate', 'refresh', 'refresh-cookies', 'issue', 'password'] as const
type Floor = (typeof FLOORS)[number]

/** Sessions in the table of every Worker but the largest. */
export const FEW_SESSIONS = 1000

export interface Plan {
  readonly directory: string
  readonly manySessions: number
  readonly prepareDatabase: (anyWorker: Bundle, sessions: number) => Promise<string>
  readonly log: (text: string) => void
}

/** Builds and starts them all. */
export async function startSubjects({ directory, manySessions, prepareDatabase, log }: Plan): Promise<Subjects> {
  log('bundling')
  const outdir = (name: string) => join(directory, 'bundles', name)
  const [tessera, ...floors] = await Promise.all([
    bundle('tessera', outdir('tessera')),
    ...FLOORS.map((floor) => bundle(floor, outdir(floor), `bench/floors/${floor}.ts`)),
  ])
  const floorBundle = (name: Floor): Bundle => {
    const found = floors.find((built) => built.name === name)
    if (found === undefined) throw new Error(`${name} was not bundled`)
    return found
  }

  log('preparing databases')
  const few = await prepareDatabase(floorBundle('text'), FEW_SESSIONS)
  const many = await prepareDatabase(floorBundle('text'), manySessions)

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
    serve(floorBundle(name), { storage: storage(name), template: few, bindings: floorBindings })
  const startTessera = (name: string, template: string) =>
    serve({ ...tessera, name }, { storage: storage(name), template, bindings: SECRETS, consumesQueues: true })

  const all: Subject[] = []
  const add = (key: string, label: string, server: Served, mint: Mint, work: Work, connections = CONNECTIONS) =>
    all.push({ key, label, server, mint, work, connections })

  const sessions = seededSessions(FEW_SESSIONS, 1, FEW_SESSIONS)
  const half = FEW_SESSIONS / 2
  const guids = Array.from({ length: FEW_SESSIONS / 4 }, (_, i) => guidOf(i + 1))
  const tokens = await Promise.all(sessions.slice(0, 64).map(own.access))
  const signIn = { email: emailOf(SIGN_IN_USER), password: PASSWORD, userId: SIGN_IN_USER }
  const server = await startTessera('tessera', few)

  add('F1', 'F1 text', await startFloor('text'), floor, { kind: 'text', body: 'ok' })
  add('F2', 'F2 + JSON, ES256 verify', await startFloor('verify'), floor, { kind: 'verify', tokens })
  add('verify', 'POST /auth/token/verify', server, own, { kind: 'verify', tokens })
  add('F3', 'F3 + D1 rotation', await startFloor('rotate'), floor, { kind: 'rotate', chains: sessions })
  add('F4', 'F4 + HMAC verify, both signatures', await startFloor('refresh'), floor, await refreshes(floor, sessions))
  add('refresh', 'POST /auth/token/refresh', server, own, await refreshes(own, sessions.slice(0, half)))
  add('cookies', 'GET /refresh', server, own, await cookies(own, sessions.slice(half)))
  add('F4c', 'F4 in cookies + ES256 verify', await startFloor('refresh-cookies'), floor, await cookies(floor, sessions))
  add('FG', 'two statements, both signatures', await startFloor('issue'), floor, {
    kind: 'issue',
    guids,
    serviceKey: null,
  })
  add('issue', 'GET /{guid}', server, own, { kind: 'issue', guids, serviceKey: SECRETS.SERVICE_KEY })
  add(
    'F5',
    'F5 one Argon2id hash',
    await startFloor('password'),
    floor,
    { kind: 'text', body: HASH },
    HASHING_CONNECTIONS,
  )
  add('sign-in', 'POST /auth/token', server, own, { kind: 'sign-in', ...signIn }, HASHING_CONNECTIONS)

  const large = seededSessions(manySessions, 1, manySessions, Math.max(1, Math.floor(manySessions / LARGE_CHAINS)))
  add('few', sizeLabel(FEW_SESSIONS), await startTessera('tessera-few', few), own, await refreshes(own, sessions))
  add('many', sizeLabel(manySessions), await startTessera('tessera-many', many), own, await refreshes(own, large))
  return { all, tessera, hono: floorBundle('text') }
}

/** What F5 answers: the hash of its fixed password under its fixed salt. */
const HASH = 'bcaf6fd0e5aaa31b272240c38067653313e9f7802fc226ccf8416cf7bcf9e644'
/** More than a run refreshes, so hardly a session is met twice: a table is as large as what is touched of it. */
const LARGE_CHAINS = 20_000

/** Also the name of its target. */
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
