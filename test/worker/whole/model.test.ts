/**
 * Random histories of sessions, against the Worker with its real store and against the model of the design's sections 5
 * and 6. The two must agree after every step, and in every row at the end. A failure is shrunk to the shortest history
 * that shows it, and printed with its seed.
 *
 * The mails' way through the real queue is tested elsewhere; here a mail is delivered at once, since its links are
 * part of the histories.
 */

import { env } from 'cloudflare:workers'
import * as fc from 'fast-check'
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { HASHES, PASSWORD } from '../../support/accounts.ts'
import { TEST_BINDINGS } from '../../support/bindings.ts'
import { decodeToken } from '../../support/forge.ts'
import {
  ACCESS_TTL_SECONDS,
  accessExpiry,
  type LinkPurpose,
  type ModelAccount,
  type ModelMail,
  type ModelPair,
  type ModelSession,
  type Place,
  type PlaceName,
  PLACES,
  REFRESH_TTL_SECONDS,
  SESSION_MAX_SECONDS,
  SessionModel,
  SESSIONS_MAX,
  type Settings,
  type Verdict,
} from '../../support/session-model.ts'
import { type CallOptions, ORIGIN, pairOf, setCookies, startWorker, type TestWorker } from '../../support/worker.ts'

/** Histories of each start. `TESSERA_MODEL_RUNS` is for long runs by hand. */
const RUNS = Number(Reflect.get(env, 'TESSERA_MODEL_RUNS') || 500)
/** For each start. `TESSERA_MODEL_SECONDS` changes it; a busy machine runs fewer of them instead of failing. */
const SECONDS = Number(Reflect.get(env, 'TESSERA_MODEL_SECONDS') || 8)
const TIME_LIMIT_MILLISECONDS = RUNS > 500 ? 3_600_000 : SECONDS * 1000
const MAX_COMMANDS = 20
const START = Date.parse('2026-11-20T10:30:15Z') / 1000
const PROBLEMS = {
  wrong_data_structure: [400, 'Bad Request', 'Wrong data structure'],
  token_used: [401, 'Unauthorized', 'Token used before'],
  token_not_valid: [401, 'Unauthorized', 'Not valid token'],
  location_blocked: [401, 'Unauthorized', "You're location is blocked"],
  no_active_account: [401, 'Unauthorized', 'No active account found with the given credentials'],
  not_found: [404, 'Not Found', 'Not found'],
} as const
type Code = keyof typeof PROBLEMS
type Via = 'json' | 'GET' | 'POST'
type Which = 'newest' | 'predecessor' | 'older'

interface SentMail {
  readonly to: string
  readonly subject: string
  readonly text: string
}

/** The Worker's side of a history. */
interface World {
  readonly worker: () => TestWorker
  settings: Settings
  readonly sent: SentMail[]
  readonly links: Map<ModelMail, Partial<Record<LinkPurpose, string>>>
}

type Command = fc.AsyncCommand<SessionModel, World>

const workers = new Map<string, TestWorker>()
/** What the queue was given, and what the mail binding was. */
const queued: unknown[] = []
const outgoing: SentMail[] = []
const logged: unknown[] = []
/** No jti is ever given out twice. */
const jtis = new Set<string>()
let accountsMade = 0
let histories = 0
let steps = 0

beforeEach(() => {
  vi.spyOn(console, 'warn').mockImplementation((event: unknown) => void logged.push(event))
})

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

afterAll(() => {
  console.info(`${histories} histories, ${steps} steps`)
})

describe.each([
  { policy: 'address', reuseSeconds: 0 },
  { policy: 'address', reuseSeconds: 10 },
  { policy: 'country', reuseSeconds: 0 },
  { policy: 'country', reuseSeconds: 10 },
] as const)('from LOCATION_POLICY $policy and REFRESH_REUSE_SECONDS $reuseSeconds', (settings) => {
  test(
    'every history of sessions goes as the model says',
    async () => {
      const before = histories
      const deadline = performance.now() + TIME_LIMIT_MILLISECONDS
      let isFailing = false
      await fc.assert(
        fc.asyncProperty(fc.commands(commands(), { maxCommands: MAX_COMMANDS, size: 'max' }), async (history) => {
          // fast-check's own limit would leave a history under way, beside those of the next test.
          if (performance.now() > deadline && !isFailing) return
          histories += 1
          const start = await begin(settings)
          try {
            await fc.asyncModelRun(() => start, history)
            await expectRows(start.model, start.real)
          } catch (error) {
            isFailing = true
            throw error
          }
        }),
        { numRuns: RUNS },
      )
      expect(histories - before).toBeGreaterThan(10)
    },
    TIME_LIMIT_MILLISECONDS + 30_000,
  )
})

/** Histories that chance takes long to find: each edge of the rules, from both sides. */
const STORIES: Readonly<Record<string, { readonly settings: Settings; readonly history: readonly Command[] }>> = {
  'a stranger who asked before the owner made their country the place of the session': {
    settings: { policy: 'country', reuseSeconds: 10 },
    history: [signIn(0, 'homeUnknown', 'guid'), tugOfWar(1, 'home', 'sameCountry', 3)],
  },
  'a window of 10 s ends after 10 s': {
    settings: { policy: 'address', reuseSeconds: 10 },
    history: [
      present(0, 0, 'newest', 'home', 'json', false),
      present(10, 0, 'predecessor', 'home', 'GET', false),
      present(1, 0, 'predecessor', 'home', 'POST', false),
    ],
  },
  'a window of 60 s ends after 60 s': {
    settings: { policy: 'address', reuseSeconds: 60 },
    history: [
      present(0, 0, 'newest', 'home', 'GET', true),
      present(60, 0, 'newest', 'home', 'GET', false),
      present(1, 0, 'predecessor', 'home', 'GET', false),
    ],
  },
  'a race ends after 10 s': {
    settings: { policy: 'off', reuseSeconds: 0 },
    history: [
      present(0, 0, 'newest', 'home', 'json', false),
      present(10, 0, 'predecessor', 'home', 'GET', false),
      present(1, 0, 'predecessor', 'abroad', 'POST', false),
    ],
  },
  'an allowed place is one for 90 days, and the way home stays open': {
    settings: { policy: 'address', reuseSeconds: 0 },
    history: [
      present(0, 0, 'newest', 'abroad', 'GET', false),
      pressLink(0, 'allow_place'),
      signIn(0, 'home', 'guid'),
      present(0, 1, 'newest', 'abroad', 'json', false),
      present(0, 1, 'newest', 'home', 'json', false),
      advance(90 * 86_400 - 1),
      signIn(0, 'home', 'guid'),
      present(0, 2, 'newest', 'abroad', 'json', false),
      present(1, 2, 'newest', 'abroad', 'json', false),
    ],
  },
  'the place of one owner is not that of another': {
    settings: { policy: 'country', reuseSeconds: 0 },
    history: [
      present(0, 0, 'newest', 'abroad', 'GET', false),
      pressLink(0, 'allow_place'),
      signIn(1, 'home', 'guid'),
      present(0, 1, 'newest', 'abroad', 'GET', false),
    ],
  },
  'a session ends at last, however often it was refreshed': {
    settings: { policy: 'address', reuseSeconds: 0 },
    history: [
      present(REFRESH_TTL_SECONDS - 1, 0, 'newest', 'home', 'GET', false),
      present(SESSION_MAX_SECONDS - REFRESH_TTL_SECONDS, 0, 'newest', 'home', 'GET', false),
      look(0, 0),
      present(1, 0, 'newest', 'home', 'GET', false),
      look(0, 0),
    ],
  },
  'a link works for 24 hours, once, for its one purpose': {
    settings: { policy: 'address', reuseSeconds: 0 },
    history: [
      present(0, 0, 'newest', 'abroad', 'GET', false),
      signIn(0, 'home', 'guid'),
      advance(86_400 - 1),
      pressLink(0, 'end_sessions', 'allow_place'),
      pressLink(0, 'allow_place', 'end_sessions'),
      pressLink(0, 'end_sessions'),
      pressLink(0, 'end_sessions'),
      advance(1),
      pressLink(0, 'allow_place'),
    ],
  },
  'a link that is pressed twice in a second ends no session that was opened in between': {
    settings: { policy: 'address', reuseSeconds: 0 },
    history: [
      present(0, 0, 'newest', 'abroad', 'GET', false),
      signIn(0, 'home', 'guid'),
      pressLink(0, 'end_sessions'),
      signIn(0, 'home', 'guid'),
      pressLink(0, 'end_sessions'),
      look(2, 0),
    ],
  },
  'no change of the settings signs anybody out': {
    settings: { policy: 'address', reuseSeconds: 0 },
    history: (['subnet', 'asn', 'country', 'off', 'address', 'country', 'asn', 'subnet'] as const).flatMap((policy) => [
      deploy({ policy, reuseSeconds: 0 }),
      present(0, 0, 'newest', 'home', 'GET', false),
      present(0, 0, 'newest', 'homeUnknown', 'json', false),
      look(0, 0),
    ]),
  },
  'what ended a day ago is purged, and its token is still only used': {
    settings: { policy: 'address', reuseSeconds: 0 },
    history: [
      revoke(0, 0, 'refresh'),
      advance(86_400 - 1),
      cron(),
      present(0, 0, 'newest', 'home', 'GET', false),
      advance(1),
      cron(),
      present(0, 0, 'newest', 'home', 'GET', false),
      look(0, 0),
    ],
  },
  'a race has one place': {
    settings: { policy: 'address', reuseSeconds: 10 },
    history: [
      present(0, 0, 'newest', 'home', 'json', false),
      present(0, 0, 'predecessor', 'abroad', 'GET', false),
      present(0, 0, 'newest', 'home', 'GET', false),
    ],
  },
  'the end of a session hides no traces, and tells of them once': {
    settings: { policy: 'address', reuseSeconds: 0 },
    history: [
      present(0, 0, 'newest', 'home', 'json', false),
      signOut(0, 0),
      present(0, 0, 'newest', 'home', 'GET', false),
      present(0, 0, 'predecessor', 'home', 'GET', false),
      present(60, 0, 'predecessor', 'abroad', 'POST', false),
      look(0, 0),
    ],
  },
  'a sign-in ends the session of its cookie, whosever it is': {
    settings: { policy: 'address', reuseSeconds: 0 },
    history: [
      signIn(1, 'home', 'guid', 0),
      look(0, 0),
      signIn(1, 'home', 'guid', 1),
      look(1, 0),
      present(0, 2, 'newest', 'home', 'GET', false),
    ],
  },
  'all others end, again and again in one second': {
    settings: { policy: 'address', reuseSeconds: 0 },
    history: [
      signIn(0, 'home', 'guid'),
      endOthers(0),
      signIn(0, 'home', 'guid'),
      look(1, 0),
      look(0, 0),
      present(0, 0, 'newest', 'home', 'GET', false),
      endOthers(2),
      look(0, 0),
      look(2, 0),
      signIn(0, 'home', 'guid'),
      endOne(3, 2),
      endOne(3, 0),
      look(3, 0),
    ],
  },
  'an account has so many sessions, and the oldest one ends': {
    settings: { policy: 'address', reuseSeconds: 0 },
    history: [
      ...range(SESSIONS_MAX - 1).map(() => signIn(0, 'home', 'guid')),
      present(1, 0, 'newest', 'home', 'GET', false),
      look(0, 0),
      signIn(0, 'home', 'guid'),
      look(0, 0),
      look(1, 0),
    ],
  },
  'an access token governs from its place, and from an allowed one': {
    settings: { policy: 'address', reuseSeconds: 0 },
    history: [
      signIn(0, 'abroad', 'guid'),
      look(1, 0),
      endOthers(1),
      present(0, 0, 'newest', 'abroad', 'GET', false),
      pressLink(0, 'allow_place', 'allow_place', true),
      look(1, 0),
      present(0, 1, 'newest', 'home', 'GET', false),
      look(1, 0),
    ],
  },
  'a place that was allowed under a wider policy holds no longer': {
    settings: { policy: 'country', reuseSeconds: 0 },
    history: [
      present(0, 0, 'newest', 'abroad', 'GET', false),
      pressLink(0, 'allow_place'),
      signIn(0, 'home', 'guid'),
      present(0, 1, 'newest', 'abroad', 'GET', false),
      deploy({ policy: 'asn', reuseSeconds: 0 }),
      present(0, 1, 'newest', 'abroad', 'GET', false),
    ],
  },
  'the end of all sessions takes allowed places back, and voids the other link of that mail': {
    settings: { policy: 'address', reuseSeconds: 0 },
    history: [
      present(0, 0, 'newest', 'abroad', 'GET', false),
      signIn(0, 'home', 'guid'),
      present(0, 1, 'newest', 'sameNetwork', 'GET', false),
      pressLink(0, 'allow_place'),
      pressLink(1, 'end_sessions'),
      pressLink(1, 'allow_place'),
      signIn(0, 'home', 'guid'),
      present(0, 2, 'newest', 'abroad', 'GET', false),
    ],
  },
  'an account that is not active ends its session, for good': {
    settings: { policy: 'address', reuseSeconds: 10 },
    history: [
      setActive(0, false),
      look(0, 0),
      present(0, 0, 'newest', 'home', 'POST', false),
      setActive(0, true),
      present(0, 0, 'newest', 'home', 'POST', false),
      signIn(0, 'home', 'password'),
    ],
  },
}

test.each(Object.entries(STORIES))('%s', async (_, { settings, history }) => {
  const start = await begin(settings)
  const before = steps
  await fc.asyncModelRun(() => start, history)
  await expectRows(start.model, start.real)
  expect(steps - before).toBe(history.length)
})

/** A fresh owner, who has mail and a password, a fresh guest, who has a guid, and a session of the owner's. */
async function begin(settings: Settings): Promise<{ model: SessionModel; real: World }> {
  const accounts = [await freshOwner(), { ...freshAccount(), guid: crypto.randomUUID() }]
  const model = new SessionModel(START, settings, accounts)
  const real: World = {
    settings,
    sent: [],
    links: new Map(),
    worker: () => workerFor(real.settings),
  }
  vi.setSystemTime(START * 1000)
  for (const list of [queued, outgoing, logged]) list.length = 0
  await signIn(0, 'home', 'guid').run(model, real)
  return { model, real }
}

function freshAccount(): ModelAccount {
  return { guid: '', email: null, id: null, isActive: true, endedBefore: null, endedExcept: null, allowed: new Map() }
}

const OWNERS_AT_ONCE = 500

async function freshOwner(): Promise<ModelAccount> {
  const n = accountsMade++
  if (n % OWNERS_AT_ONCE === 0) {
    await env.DB.prepare(
      `WITH RECURSIVE counter(n) AS (SELECT ?1 UNION ALL SELECT n + 1 FROM counter WHERE n + 1 < ?2)
       INSERT INTO users (guid, primary_email, password_hash, confirmed_at, created_at, updated_at)
       SELECT printf('%08x-0000-4000-8000-000000000000', n), printf('owner%d@example.com', n), ?3, 1, 1, 1 FROM counter`,
    )
      .bind(n, n + OWNERS_AT_ONCE, HASHES.current)
      .run()
  }
  const guid = `${n.toString(16).padStart(8, '0')}-0000-4000-8000-000000000000`
  return { ...freshAccount(), guid, email: `owner${n}@example.com` }
}

function workerFor({ policy, reuseSeconds }: Settings): TestWorker {
  const key = `${policy} ${reuseSeconds}`
  const known = workers.get(key)
  if (known !== undefined) return known
  const worker = startWorker({
    LOCATION_POLICY: policy,
    REFRESH_REUSE_SECONDS: String(reuseSeconds),
    ACCESS_TTL_SECONDS: String(ACCESS_TTL_SECONDS),
    REFRESH_TTL_SECONDS: String(REFRESH_TTL_SECONDS),
    SESSION_MAX_SECONDS: String(SESSION_MAX_SECONDS),
    SESSIONS_MAX: String(SESSIONS_MAX),
    MAIL_QUEUE: { send: async (body: unknown) => void queued.push(body) },
    EMAIL: { send: async (mail: SentMail) => void outgoing.push(mail) },
  })
  workers.set(key, worker)
  return worker
}

function commands(): fc.Arbitrary<Command>[] {
  const index = fc.nat({ max: 7 })
  const via = fc.constantFrom<Via>('json', 'GET', 'POST')
  const which = fc.constantFrom<Which>('newest', 'predecessor', 'older')
  const anywhere = fc.constantFrom(...(Object.keys(PLACES) as PlaceName[]))
  const usually = fc.oneof({ weight: 3, arbitrary: fc.constant<PlaceName>('home') }, anywhere)
  const purpose = fc.constantFrom<LinkPurpose>('end_sessions', 'allow_place')
  const how = fc.oneof(
    { weight: 80, arbitrary: fc.constant<'guid' | 'password'>('guid') },
    { weight: 1, arbitrary: fc.constant<'guid' | 'password'>('password') },
  )
  const policy = fc.constantFrom<Settings['policy']>('address', 'subnet', 'asn', 'country', 'off')
  const settings = fc.record({ policy, reuseSeconds: fc.constantFrom(0, 10, 60) })
  const pause = fc.constantFrom(0, 0, 0, 1, 9, 10, 11, 60, 61)
  const long = fc.constantFrom(299, 300, 3600, 86_400, 3 * 86_400, 864_000 - 1, 864_000, 31 * 86_400)
  const once = (what: Which, isLost: fc.Arbitrary<boolean>) =>
    fc.tuple(pause, index, fc.constant(what), usually, via, isLost).map((args) => present(...args))
  const [refresh, replay, reuse] = [
    once('newest', fc.boolean()),
    once('predecessor', fc.constant(false)),
    once('older', fc.constant(false)),
  ]
  const atOnce = fc
    .tuple(pause, index, which, usually, fc.integer({ min: 2, max: 8 }))
    .map((args) => presentAtOnce(...args))
  return [
    fc.tuple(index, usually, how, fc.option(index)).map((args) => signIn(...args)),
    refresh,
    refresh,
    refresh,
    replay,
    replay,
    reuse,
    atOnce,
    atOnce,
    fc.tuple(index, usually, anywhere, fc.integer({ min: 1, max: 3 })).map((args) => tugOfWar(...args)),
    fc.tuple(index, index, fc.constantFrom<TokenType>('access', 'refresh')).map((args) => revoke(...args)),
    fc.tuple(index, index).map((args) => signOut(...args)),
    fc.tuple(index, index).map((args) => endOne(...args)),
    index.map(endOthers),
    fc.tuple(index, index).map((args) => look(...args)),
    fc.tuple(index, purpose, fc.boolean()).map(([mail, what, isFormerToo]) => pressLink(mail, what, what, isFormerToo)),
    fc.tuple(index, purpose, fc.boolean()).map(([mail, what, isFormerToo]) => pressLink(mail, what, what, isFormerToo)),
    fc.tuple(index, purpose, fc.boolean()).map(([mail, what, isFormerToo]) => pressLink(mail, what, what, isFormerToo)),
    long.map(advance),
    long.map(advance),
    fc.tuple(index, fc.boolean()).map((args) => setActive(...args)),
    settings.map(deploy),
    fc.constant(cron()),
  ]
}

/** `cookie`: the browser comes with the access cookie of that session, `null` without one. */
function signIn(account: number, from: PlaceName, how: 'guid' | 'password', cookie: number | null = null): Command {
  return command(`signIn(${account}, ${from}, ${how}${cookie === null ? '' : `, with the cookie of ${cookie}`})`, {
    async run(model, world) {
      const carried = cookie === null || model.known.length === 0 ? null : holder(model, cookie, cookie)
      const cookies = carried === null ? {} : { access_token: carried.pair.access }
      const owner = pick(model.accounts, account)
      const place = PLACES[from]
      const isByPassword = how === 'password' && owner.email !== null
      const response = isByPassword
        ? await call(world, '/auth/token', place, { json: { primary_email: owner.email, password: PASSWORD } })
        : await call(world, `/${owner.guid}`, place, { cookies })
      const via = isByPassword ? 'json' : 'GET'
      // A guid that nobody has seen becomes an account; nobody deactivated it yet.
      if (!owner.isActive && owner.id !== null) return expectRefused(response, 'no_active_account', via)
      owner.isActive = true
      const tokens = await readTokens(response, via, model, owner)
      const pair = readNewPair(model, owner, tokens, place, null)
      const replaced = carried === null || isByPassword ? [] : [carried.session]
      model.opened(owner, String(decodeToken(tokens.refresh).payload['sid']), pair, replaced).held.push(pair)
    },
  })
}

/** Presents one pair once. When the answer is lost, nobody gets what it held. */
function present(pause: number, target: number, which: Which, from: PlaceName, via: Via, isLost: boolean): Command {
  const find = (model: SessionModel) => findPair(model, target, which)
  return command(`present(after ${pause} s, ${target}, ${which}, ${from}, ${via}${isLost ? ', answer lost' : ''})`, {
    check: (model) => find(model) !== null,
    async run(model, world) {
      const { session, pair } = found(find(model))
      const place = PLACES[from]
      passSeconds(model, pause)
      const verdict = model.present(session, pair, place)
      logged.length = 0
      const response = await callRefresh(world, pair, place, via)
      const next = await expectVerdict(response, verdict, via, { model, session, pair, place })
      expect(loggedCauses()).toEqual(causesOf(verdict))
      if (next !== null && !isLost && !session.held.includes(next)) session.held.push(next)
    },
  })
}

/** N requests with one pair, all under way at once, over all transports. */
function presentAtOnce(pause: number, target: number, which: Which, from: PlaceName, callers: number): Command {
  const find = (model: SessionModel) => findPair(model, target, which)
  return command(`presentAtOnce(after ${pause} s, ${target}, ${which}, ${from}, ${callers} callers)`, {
    check: (model) => find(model) !== null,
    async run(model, world) {
      const { session, pair } = found(find(model))
      const place = PLACES[from]
      passSeconds(model, pause)
      const answers = await Promise.all(range(callers).map((i) => answerTo(world, pair, place, viaOf(i))))
      const verdict = model.present(session, pair, place)
      const winner = answers.find((answer) => answerFits(answer, verdict))
      const next = await expectVerdict(answerOf(winner, verdict, answers), verdict, winner?.via ?? 'GET', {
        model,
        session,
        pair,
        place,
      })
      if (next !== null && !session.held.includes(next)) session.held.push(next)
      for (const answer of answers.filter((one) => one !== winner)) {
        const wasEndedMeanwhile = verdict.kind === 'refused' && verdict.code === 'no_active_account'
        const later = model.present(session, pair, place)
        // Whoever read the row before the first of them ended its session is told what the first is told.
        const expected = wasEndedMeanwhile && answerFits(answer, verdict) ? verdict : later
        await expectVerdict(answer.response, expected, answer.via, { model, session, pair, place })
      }
    },
  })
}

/** The owner, in place, and a stranger who is not, present the live pair at once. Either was first: nobody forks it. */
function tugOfWar(target: number, ownersPlace: PlaceName, strangersPlace: PlaceName, each: number): Command {
  return command(`tugOfWar(${target}, ${ownersPlace}, ${strangersPlace}, ${each} each)`, {
    check(model) {
      const it = findPair(model, target, 'newest')
      if (it === null || it.pair.jti !== it.session.live.jti || model.isOver(it.session)) return false
      if (!it.session.account.isActive || !model.sessions.includes(it.session)) return false
      const isOwnersIn = model.isInPlace(it.session, it.pair, PLACES[ownersPlace])
      return isOwnersIn && !model.isInPlace(it.session, it.pair, PLACES[strangersPlace])
    },
    async run(model, world) {
      const { session, pair } = found(findPair(model, target, 'newest'))
      const answers = await Promise.all(
        range(2 * each).map(async (i) => {
          // The stranger comes first, and so has read the row before the owner's rotation, but not ended it yet.
          const place = PLACES[i % 2 === 0 ? strangersPlace : ownersPlace]
          return { place, ...(await answerTo(world, pair, place, viaOf(i >> 1))) }
        }),
      )
      const firstPlace = PLACES[answers.some((answer) => answer.status === 200) ? ownersPlace : strangersPlace]
      const verdict = model.present(session, pair, firstPlace)
      const first = answers.find((answer) => answer.place === firstPlace && answerFits(answer, verdict))
      const context = { model, session, pair, place: firstPlace }
      const next = await expectVerdict(answerOf(first, verdict, answers), verdict, first?.via ?? 'GET', context)
      if (next !== null && !session.held.includes(next)) session.held.push(next)
      const others = answers.filter((one) => one !== first)
      // A stranger whom the owner's refresh let in may have been judged by the row as it was before: then that was reuse.
      const strangers = PLACES[strangersPlace]
      if (verdict.kind === 'next' && model.isInPlace(session, pair, strangers) && (await wasReused(session))) {
        for (const answer of others.filter((one) => one.status === 200)) await expectLater(answer)
        model.reused(session)
        for (const answer of others.filter((one) => one.status !== 200)) await expectLater(answer)
        return
      }
      // Whoever got the pair was judged before it was reused.
      for (const answer of others.toSorted((a, b) => a.status - b.status)) await expectLater(answer)

      async function expectLater({ place, response, via }: (typeof answers)[number]): Promise<void> {
        await expectVerdict(response, model.present(session, pair, place), via, { model, session, pair, place })
      }
    },
  })
}

async function wasReused({ sid }: ModelSession): Promise<boolean> {
  const row = await env.DB.prepare('SELECT revoked_reason AS reason FROM sessions WHERE sid = ?').bind(sid).first()
  return row?.['reason'] === 'reuse'
}

type TokenType = 'access' | 'refresh'

/** Whoever holds any token of a session, of whatever age, may end it. */
function revoke(target: number, age: number, type: TokenType): Command {
  return command(`revoke(${target}, ${age}, ${type})`, {
    check: (model) => holder(model, target) !== null,
    async run(model, world) {
      const { session, pair } = found(holder(model, target, age))
      const json = type === 'access' ? { token: pair.access } : { refresh: pair.refresh }
      await expectEmpty(await call(world, '/auth/token/revoke', PLACES.abroad, { method: 'POST', json }))
      model.end(session, 'revoked')
    },
  })
}

function signOut(target: number, age: number): Command {
  return command(`signOut(${target}, ${age})`, {
    check: (model) => holder(model, target) !== null,
    async run(model, world) {
      const { session, pair } = found(holder(model, target, age))
      const cookies = { access_token: pair.access }
      const answer = await call(world, '/auth/session', PLACES.home, { method: 'DELETE', cookies })
      expect(Object.values(setCookies(answer)).map(({ value }) => value)).toEqual(['', ''])
      await expectEmpty(answer)
      model.end(session, 'signed_out')
    },
  })
}

function endOne(target: number, other: number): Command {
  return command(`endOne(${target}, ${other})`, {
    check: (model) => holder(model, target) !== null,
    async run(model, world) {
      const { session, pair } = found(holder(model, target))
      const victim = pick(model.known, other)
      const answer = await callAs(world, pair, `/auth/sessions/${victim.sid}`, 'DELETE')
      const refusal = model.govern(session, pair, PLACES.home)
      if (refusal !== null) return expectRefused(answer, refusal, 'json')
      const isThere = victim.ended === null && !model.isEndedByAccount(victim) && model.sessions.includes(victim)
      const isLive = isThere && victim.expiresAt > model.now
      if (victim.account !== session.account || !isLive) return expectRefused(answer, 'not_found', 'json')
      await expectEmpty(answer)
      model.end(victim, 'revoked')
    },
  })
}

function endOthers(target: number): Command {
  return command(`endOthers(${target})`, {
    check: (model) => holder(model, target) !== null,
    async run(model, world) {
      const { session, pair } = found(holder(model, target))
      const answer = await callAs(world, pair, '/auth/sessions', 'DELETE')
      const refusal = model.govern(session, pair, PLACES.home)
      if (refusal !== null) return expectRefused(answer, refusal, 'json')
      await expectEmpty(answer)
      model.endAllOf(session.account, session)
    },
  })
}

/** Looks at a session from all sides: me, list, introspection of both tokens. Changes nothing. */
function look(target: number, age: number): Command {
  return command(`look(${target}, ${age})`, {
    check: (model) => holder(model, target) !== null,
    async run(model, world) {
      const { session, pair } = found(holder(model, target, age))
      const { id, email, guid } = session.account
      const [me, list, access, refresh] = await Promise.all([
        callAs(world, pair, '/auth/me', 'GET'),
        callAs(world, pair, '/auth/sessions', 'GET'),
        introspect(world, pair.access),
        introspect(world, pair.refresh),
      ])
      const refusal = model.authenticate(session, pair)
      if (refusal !== null) {
        await expectRefused(me, refusal, 'json')
      } else {
        expect(await me.json()).toEqual({ email, user_id: id, guid, group: 'user', confirmed: email !== null })
      }
      const isBarred = model.govern(session, pair, PLACES.home)
      if (isBarred !== null) {
        await expectRefused(list, isBarred, 'json')
      } else {
        const listed = (await list.json()) as { sid: string }[]
        expect(listed.toSorted(bySid)).toEqual(
          model
            .listed(session.account)
            .toSorted(bySid)
            .map((one) => ({
              sid: one.sid,
              created_at: one.createdAt,
              last_used_at: one.live.issuedAt,
              expires_at: one.expiresAt,
              ip: addressOf(one.place),
              city: null,
              country: one.place.country,
              network: null,
              user_agent: null,
              last_seen: {
                ip: addressOf(one.visit ?? one.place),
                city: null,
                country: (one.visit ?? one.place).country,
                network: null,
                user_agent: null,
              },
              current: one === session,
            })),
        )
      }
      expect(await access.json()).toEqual(introspection(model, session, pair, 'access'))
      expect(await refresh.json()).toEqual(introspection(model, session, pair, 'refresh'))
    },
  })
}

function introspection(model: SessionModel, session: ModelSession, pair: ModelPair, type: TokenType) {
  if (!model.isActive(session, pair, type)) return { active: false }
  const { id, guid, email } = session.account
  return {
    active: true,
    token_type: type,
    iss: ORIGIN,
    sub: guid,
    exp: type === 'access' ? accessExpiry(pair) : pair.expiresAt,
    iat: pair.issuedAt,
    jti: pair.jti,
    sid: session.sid,
    user_id: id,
    group: 'user',
    username: email,
  }
}

/** Presses the button behind a link of any mail that the owner ever got. */
function pressLink(mail: number, purpose: LinkPurpose, page = purpose, isFormerToo = false): Command {
  const find = (world: World) => [...world.links].filter(([, links]) => links[purpose] !== undefined)
  const former = isFormerToo ? ', the former place too' : ''
  return command(`pressLink(${mail}, ${purpose}${page === purpose ? '' : ` on the page ${page}`}${former})`, {
    check: (model) => model.mails.length > 0,
    async run(model, world) {
      const mails = find(world)
      if (mails.length === 0) return
      const [sent, links] = pick(mails, mail)
      const link = new URL(links[purpose] ?? '')
      const answer = await call(world, LINK_PATHS[page], PLACES.abroad, {
        method: 'POST',
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
        body: `${link.searchParams.toString()}${isFormerToo ? '&former=yes' : ''}`,
      })
      const refusal = model.useLink(sent, purpose, page, isFormerToo)
      const titles = { end_sessions: 'All your sessions have ended', allow_place: 'This place is allowed' }
      const title =
        refusal === null
          ? titles[purpose]
          : refusal === 'token_used'
            ? 'This link was used already'
            : 'This link does not work'
      expect([answer.status, /<h1>(.*)<\/h1>/.exec(await answer.text())?.[1]]).toEqual([
        refusal === null ? 200 : 401,
        title,
      ])
    },
  })
}

function advance(seconds: number): Command {
  return command(`advance(${seconds} s)`, {
    async run(model) {
      passSeconds(model, seconds)
    },
  })
}

function passSeconds(model: SessionModel, seconds: number): void {
  model.now += seconds
  vi.setSystemTime(model.now * 1000)
}

function setActive(account: number, isActive: boolean): Command {
  return command(`setActive(${account}, ${isActive})`, {
    check: (model) => pick(model.accounts, account).id !== null,
    async run(model) {
      const owner = pick(model.accounts, account)
      await env.DB.prepare('UPDATE users SET is_active = ? WHERE guid = ?')
        .bind(isActive ? 1 : 0, owner.guid)
        .run()
      owner.isActive = isActive
    },
  })
}

/** The operator changes the settings. It signs nobody out by itself: the model has no line about it. */
function deploy(settings: Settings): Command {
  return command(`deploy(${settings.policy}, ${settings.reuseSeconds} s)`, {
    async run(model, world) {
      model.settings = settings
      world.settings = settings
    },
  })
}

function cron(): Command {
  return command('cron()', {
    async run(model, world) {
      await world.worker().scheduled()
      model.purge()
    },
  })
}

/** A command that is counted, and after which every mail that is due was sent, once. */
function command(
  name: string,
  { check = () => true, run }: { check?: (model: SessionModel) => boolean; run: Command['run'] },
): Command {
  return {
    check,
    async run(model, world) {
      steps += 1
      const before = model.mails.length
      const wasSent = world.sent.length
      await run(model, world)
      await deliverMails(world)
      const due = model.mails.slice(Math.min(before, model.mails.length))
      expect(world.sent.slice(wasSent).map(({ to, subject }) => ({ to, subject }))).toEqual(
        due.map(({ kind, session }) => ({ to: session.account.email, subject: SUBJECTS[kind] })),
      )
      for (const [i, mail] of due.entries()) world.links.set(mail, linksOf(world.sent[wasSent + i]))
    },
    toString: () => name,
  }
}

const LINK_PATHS = { end_sessions: '/links/end-sessions', allow_place: '/links/allow-place' } as const
const SUBJECTS = {
  location_blocked: 'We blocked a sign-in from another place',
  token_reused: 'We ended a session that was used twice',
}

async function deliverMails(world: World): Promise<void> {
  for (const body of queued.splice(0)) {
    const message = {
      id: 'message',
      timestamp: new Date(),
      body,
      attempts: 1,
      ack() {},
      retry() {
        throw new Error('a mail that could be sent was not')
      },
    }
    const batch = { queue: 'tessera-mail', messages: [message], ackAll() {}, retryAll() {}, metadata: {} }
    await world.worker().queue(batch as unknown as MessageBatch)
  }
  world.sent.push(...outgoing.splice(0))
}

function linksOf(mail: SentMail | undefined): Partial<Record<LinkPurpose, string>> {
  const urls = mail?.text.match(/https:\S+/g) ?? []
  const find = (purpose: LinkPurpose) => urls.find((url) => new URL(url).pathname === LINK_PATHS[purpose])
  const [end, allow] = [find('end_sessions'), find('allow_place')]
  return { ...(end !== undefined && { end_sessions: end }), ...(allow !== undefined && { allow_place: allow }) }
}

function call(world: World, path: string, place: Place, options: CallOptions = {}): Promise<Response> {
  const { asn, country } = place
  const cf = { asn, country } as Partial<IncomingRequestCfProperties>
  return world
    .worker()
    .call(path, { method: options.json === undefined ? 'GET' : 'POST', ...options, ip: place.ip, cf })
}

function callAs(world: World, { access }: ModelPair, path: string, method: string): Promise<Response> {
  return call(world, path, PLACES.home, { method, headers: { Authorization: `Bearer ${access}` } })
}

function callRefresh(world: World, { access, refresh }: ModelPair, place: Place, via: Via): Promise<Response> {
  if (via === 'json') return call(world, '/auth/token/refresh', place, { json: { refresh } })
  return call(world, '/refresh', place, { method: via, cookies: { access_token: access, refresh_token: refresh } })
}

function introspect(world: World, token: string): Promise<Response> {
  return call(world, '/auth/token/introspect', PLACES.home, {
    json: { token },
    headers: { Authorization: `Bearer ${TEST_BINDINGS.SERVICE_KEY}` },
  })
}

interface Answer {
  readonly via: Via
  readonly status: number
  /** Of the body: the code of a refusal. */
  readonly code: string | null
  readonly response: Response
}

async function answerTo(world: World, pair: ModelPair, place: Place, via: Via): Promise<Answer> {
  const answer = await callRefresh(world, pair, place, via)
  const text = answer.status === 200 ? null : await answer.clone().text()
  const code = Object.entries(PROBLEMS).find(([, [, , detail]]) => text?.includes(detail))?.[0] ?? null
  return { via, status: answer.status, code, response: answer }
}

function answerFits({ status, code }: Answer, verdict: Verdict): boolean {
  return verdict.kind === 'refused' ? code === verdict.code : status === 200
}

/** The answer that the model foresaw, out of several. */
function answerOf(winner: Answer | undefined, verdict: Verdict, answers: readonly Answer[]): Response {
  if (winner !== undefined) return winner.response
  throw new Error(
    `none was ${JSON.stringify(verdict)}: ${answers.map(({ status, code }) => code ?? status).join(', ')}`,
  )
}

interface Presented {
  readonly model: SessionModel
  readonly session: ModelSession
  readonly pair: ModelPair
  readonly place: Place
}

/** Holds an answer against a verdict. Returns the pair that it carries. */
async function expectVerdict(
  answer: Response,
  verdict: Verdict,
  via: Via,
  { model, session, pair, place }: Presented,
): Promise<ModelPair | null> {
  if (verdict.kind === 'refused') {
    await expectRefused(answer, verdict.code, via)
    return null
  }
  const tokens = await readTokens(answer, via, model, session.account)
  if (verdict.kind === 'same') {
    expect(tokens.refresh).toBe(verdict.pair.refresh)
    expect(decodeToken(tokens.access)).toEqual(decodeToken(verdict.pair.access))
    return verdict.pair
  }
  const isVisit = model.isVisit(session, pair, place)
  const next = readNewPair(model, session.account, tokens, model.placeAfter(session, pair, place), session)
  model.rotated(session, next, place, isVisit)
  return next
}

/** The whole answer of a refusal. */
async function expectRefused(answer: Response, code: Code, via: Via): Promise<void> {
  const [status, title, detail] = PROBLEMS[code]
  const body = via === 'GET' ? detail : { type: 'about:blank', title, status, detail, code }
  const text = await answer.text()
  expect([answer.status, via === 'GET' ? text : JSON.parse(text)]).toEqual([status, body])
  expect(answer.headers.getSetCookie()).toEqual([])
}

async function expectEmpty(answer: Response): Promise<void> {
  expect([answer.status, await answer.text()]).toEqual([204, ''])
}

interface Tokens {
  readonly access: string
  readonly refresh: string
}

/** The tokens of a 200, whose every other part is as it must be. */
async function readTokens(answer: Response, via: Via, model: SessionModel, account: ModelAccount): Promise<Tokens> {
  if (via === 'json') {
    const { access, refresh, user_id, ...rest } = (await answer.json()) as Tokens & { user_id: number }
    expect([answer.status, rest]).toEqual([200, { email: account.email, group: 'user' }])
    expect(account.id ?? user_id).toBe(user_id)
    account.id = user_id
    return { access, refresh }
  }
  expect([answer.status, await answer.text()]).toEqual([200, ''])
  const { access_token, refresh_token } = pairOf(answer)
  account.id ??= Number(decodeToken(refresh_token).payload['id'])
  const maxAge = `Max-Age=${Number(decodeToken(refresh_token).payload['exp']) - model.now}`
  const cookies = Object.entries(setCookies(answer)).map(([name, { attributes }]) => [name, attributes[0]])
  expect(cookies).toEqual([
    ['access_token', maxAge],
    ['refresh_token', maxAge],
  ])
  return { access: access_token, refresh: refresh_token }
}

/** A pair that nobody had before, claim by claim. */
function readNewPair(
  model: SessionModel,
  account: ModelAccount,
  { access, refresh }: Tokens,
  place: Place,
  session: ModelSession | null,
): ModelPair {
  const claims = decodeToken(refresh).payload
  const jti = String(claims['jti'])
  const { now } = model
  const expiresAt = model.nextExpiry(session?.createdAt)
  const sid = session?.sid ?? claims['sid']
  const shared = { iss: ORIGIN, sub: account.guid, id: account.id, guid: account.guid, sid, jti, iat: now }
  const pair = { jti, access, refresh, issuedAt: now, expiresAt, place }
  expect(claims).toEqual({ ...shared, exp: expiresAt, ip: addressOf(place), token_type: 'refresh' })
  expect(decodeToken(access).payload).toEqual({
    ...shared,
    exp: accessExpiry(pair),
    group: 'user',
    token_type: 'access',
  })
  expect(jtis.has(jti)).toBe(false)
  jtis.add(jti)
  return pair
}

/** Every row of the two accounts is what the model has, and nothing else is there. */
async function expectRows(model: SessionModel, { links }: World): Promise<void> {
  const ofAccounts = 'JOIN users u ON u.id = user_id WHERE u.guid IN (?, ?)'
  const guids = model.accounts.map(({ guid }) => guid)
  const select = (sql: string) => env.DB.prepare(sql).bind(...guids)
  const [sessions, mails, places] = await env.DB.batch([
    select(
      `SELECT sid, u.guid, jti, previous_jti, issued_at, rotated_at, expires_at, s.created_at, revoked_at,
       revoked_reason, ip, asn, country, visit_ip, ended_before, ended_except FROM sessions s ${ofAccounts} ORDER BY sid`,
    ),
    select(
      `SELECT kind, recipient, dedupe_key, n.created_at, attempts, sent_at, failed_at, last_error, sessions_ended_at,
       place_allowed_at FROM notifications n ${ofAccounts} ORDER BY dedupe_key`,
    ),
    select(`SELECT u.guid, place, expires_at FROM allowed_places ${ofAccounts} ORDER BY u.guid, place`),
  ])
  expect(sessions?.results).toEqual(
    model.sessions.toSorted(bySid).map((session) => ({
      sid: session.sid,
      guid: session.account.guid,
      jti: session.live.jti,
      previous_jti: session.previousJti,
      issued_at: session.live.issuedAt,
      rotated_at: session.rotatedAt,
      expires_at: session.expiresAt,
      created_at: session.createdAt,
      revoked_at: session.ended?.at ?? null,
      revoked_reason: session.ended?.reason ?? null,
      ip: addressOf(session.place),
      asn: session.place.asn,
      country: session.place.country,
      visit_ip: session.visit === null ? null : addressOf(session.visit),
      ended_before: session.account.endedBefore,
      ended_except: session.account.endedExcept?.sid ?? null,
    })),
  )
  expect(mails?.results).toEqual(
    model.mails
      .map(({ kind, session, at, usedAt }) => ({
        kind,
        recipient: session.account.email,
        dedupe_key: `${kind}:${session.sid}`,
        created_at: at,
        attempts: 1,
        sent_at: at,
        failed_at: null,
        last_error: null,
        sessions_ended_at: usedAt.end_sessions,
        place_allowed_at: usedAt.allow_place,
      }))
      .toSorted((a, b) => (a.dedupe_key < b.dedupe_key ? -1 : 1)),
  )
  expect(places?.results).toEqual(
    model.accounts
      .flatMap(({ guid, allowed }) => [...allowed].map(([place, until]) => ({ guid, place, expires_at: until })))
      .toSorted((a, b) => (`${a.guid} ${a.place}` < `${b.guid} ${b.place}` ? -1 : 1)),
  )
  expect(links.size).toBeGreaterThanOrEqual(model.mails.length)
}

function causesOf(verdict: Verdict): readonly string[] {
  if (verdict.kind === 'next') return []
  return [verdict.kind === 'same' ? 'replayed' : verdict.cause]
}

function loggedCauses(): readonly unknown[] {
  return (logged as { event: string; cause?: unknown }[])
    .filter(({ event }) => event === 'refused' || event === 'refreshed')
    .map(({ cause }) => cause)
}

interface Held {
  readonly session: ModelSession
  readonly pair: ModelPair
}

/** A pair that a holder of the session has: the newest one, its live one's predecessor, or one before that. */
function findPair(model: SessionModel, target: number, which: Which): Held | null {
  const session = pick(model.known, target)
  const pair = {
    newest: session.held.at(-1),
    predecessor: session.held.find(({ jti }) => jti === session.previousJti),
    older: session.held.find(({ jti }) => jti !== session.previousJti && jti !== session.live.jti),
  }[which]
  return pair === undefined ? null : { session, pair }
}

/** Whoever has a token of the session; `age` 0 is the newest. */
function holder(model: SessionModel, target: number, age = 0): Held | null {
  const session = pick(model.known, target)
  const pair = session.held.at(-1 - (age % Math.max(1, session.held.length)))
  return pair === undefined ? null : { session, pair }
}

function found<T>(it: T | null): T {
  if (it === null) throw new Error('the precondition does not hold')
  return it
}

function pick<T>(items: readonly T[], n: number): T {
  const item = items[n % items.length]
  if (item === undefined) throw new Error('nothing to pick from')
  return item
}

function range(length: number): readonly number[] {
  return Array.from({ length }, (_, i) => i)
}

function viaOf(i: number): Via {
  return (['json', 'GET', 'POST'] as const)[i % 3] ?? 'json'
}

function addressOf({ ip, canonical }: Place): string {
  return canonical ?? ip
}

function bySid(a: { readonly sid: string }, b: { readonly sid: string }): number {
  return a.sid < b.sid ? -1 : 1
}
