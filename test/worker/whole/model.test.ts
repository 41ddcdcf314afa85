/**
 * Random histories of sessions, against the Worker with its real store and against the model of docs/sessions.md in
 * `test/support/session-model.ts`. The two must agree after every step, and in every row at the end. A failure is shrunk to the shortest history
 * that shows it, and printed with its seed.
 *
 * The mails' way through the real queue is tested elsewhere; here a mail is delivered at once, since its links are
 * part of the histories.
 */

import { env } from 'cloudflare:workers'
import * as fc from 'fast-check'
import { afterAll, describe, expect, test, vi } from 'vitest'

import {
  advance,
  bind,
  commands,
  copyRequest,
  cron,
  deploy,
  endOne,
  endOthers,
  look,
  present,
  presentKeyAlone,
  pressLink,
  register,
  revoke,
  setActive,
  signIn,
  signOut,
  tugOfWar,
} from '../../support/model-commands.ts'
import { START } from '../../support/clock.ts'
import { forgetChallenges } from '../../support/model-proofs.ts'
import {
  type Command,
  expectRows,
  freshAccount,
  freshOwner,
  logged,
  outgoing,
  queued,
  range,
  reached,
  watch,
  workerFor,
  type World,
} from '../../support/model-world.ts'
import {
  type Cause,
  REFRESH_TTL_SECONDS,
  SESSION_MAX_SECONDS,
  SessionModel,
  SESSIONS_MAX,
  type Settings,
  type Verdict,
} from '../../support/session-model.ts'

/** Histories of each start. `TESSERA_MODEL_RUNS` is for long runs by hand. */
const RUNS = Number(Reflect.get(env, 'TESSERA_MODEL_RUNS') || 500)

/** How long a start goes on; `TESSERA_MODEL_SECONDS` changes it, and `.ci/run` has 8. */
const SECONDS = Number(Reflect.get(env, 'TESSERA_MODEL_SECONDS') || 2)

/** Histories that a start is shown however busy the machine is: then it takes longer instead of showing nothing. */
const LEAST = Math.min(12, RUNS)

const TIME_LIMIT_MILLISECONDS = RUNS > 500 ? 3_600_000 : SECONDS * 1000

const MAX_COMMANDS = 20

let histories = 0

watch()

afterAll(() => {
  console.info(`${histories} histories, ${reached.steps} steps`)
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
          if (histories - before >= LEAST && performance.now() > deadline && !isFailing) return
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
      expect(histories - before).toBeGreaterThanOrEqual(LEAST)
    },
    TIME_LIMIT_MILLISECONDS + 120_000,
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
  'whoever has the tokens of a bound session, and not its key, gets nothing and ends nothing': {
    settings: { policy: 'address', reuseSeconds: 0 },
    history: [
      signIn(0, 'home', 'proof'),
      look(1, 0),
      present(0, 1, 'newest', 'home', 'json', false, 'none'),
      present(0, 1, 'newest', 'abroad', 'GET', false, 'own'),
      present(0, 1, 'newest', 'abroad', 'json', false, 'other'),
      present(0, 1, 'newest', 'abroad', 'json', false, 'other'),
      present(0, 1, 'newest', 'home', 'json', false, 'own'),
      present(60, 1, 'predecessor', 'abroad', 'json', false, 'none'),
      look(1, 0),
    ],
  },
  'whoever has its key goes on from everywhere, and after every lost answer, but not with an older token': {
    settings: { policy: 'address', reuseSeconds: 0 },
    history: [
      signIn(0, 'home', 'proof'),
      present(0, 1, 'newest', 'abroad', 'json', true, 'own'),
      present(86_400, 1, 'newest', 'home', 'json', false, 'own'),
      look(1, 0),
      present(0, 1, 'newest', 'sameNetwork', 'json', false, 'own'),
      present(0, 1, 'older', 'sameNetwork', 'json', false, 'own'),
      present(0, 1, 'older', 'sameNetwork', 'json', false, 'other'),
      look(1, 0),
    ],
  },
  'a browser binds its session and refreshes by proof, and its page goes on': {
    settings: { policy: 'address', reuseSeconds: 0 },
    history: [
      register(0, 0),
      look(0, 0),
      present(299, 0, 'newest', 'home', 'GET', false),
      present(1, 0, 'newest', 'home', 'POST', false),
      present(0, 0, 'newest', 'home', 'bare', false),
      present(0, 0, 'newest', 'home', 'device', false, 'own'),
      present(299, 0, 'newest', 'home', 'POST', false),
      // The challenge that came with that pair is signed, so this is one request.
      present(1, 0, 'newest', 'home', 'device', false, 'own'),
      look(0, 0),
    ],
  },
  'whoever has both cookies of a bound browser has them until the access token ends, and a key of their own tells on them, once':
    {
      settings: { policy: 'address', reuseSeconds: 0 },
      history: [
        register(0, 0),
        present(299, 0, 'newest', 'abroad', 'GET', false),
        present(1, 0, 'newest', 'abroad', 'GET', false),
        present(0, 0, 'newest', 'abroad', 'POST', false),
        present(0, 0, 'newest', 'abroad', 'json', false),
        present(0, 0, 'newest', 'abroad', 'device', false),
        present(0, 0, 'newest', 'abroad', 'device', false, 'other'),
        present(0, 0, 'newest', 'abroad', 'device', false, 'other'),
        present(0, 0, 'newest', 'abroad', 'json', false, 'other'),
        present(0, 0, 'newest', 'home', 'device', false, 'own'),
        // Neither does a used token end anything.
        present(60, 0, 'predecessor', 'abroad', 'device', false, 'other'),
        present(300, 0, 'predecessor', 'abroad', 'POST', false),
        look(0, 0),
      ],
    },
  'whoever has the key as well is its client, until a token comes that two refreshes lie behind': {
    settings: { policy: 'address', reuseSeconds: 0 },
    history: [
      register(0, 0),
      present(0, 0, 'newest', 'home', 'device', false, 'own'),
      present(0, 0, 'newest', 'abroad', 'device', false, 'own'),
      present(0, 0, 'predecessor', 'home', 'device', false, 'own'),
      present(3600, 0, 'newest', 'abroad', 'device', false, 'own'),
      present(0, 0, 'predecessor', 'home', 'device', false, 'own'),
      present(0, 0, 'older', 'home', 'device', false, 'other'),
      look(0, 0),
      present(0, 0, 'older', 'home', 'device', false, 'own'),
      present(0, 0, 'newest', 'abroad', 'device', false, 'own'),
      look(0, 0),
    ],
  },
  'whoever has the key, and none of the tokens, gets nothing': {
    settings: { policy: 'address', reuseSeconds: 0 },
    history: [presentKeyAlone(0, 'home'), register(0, 0), presentKeyAlone(0, 'abroad'), look(0, 0)],
  },
  'a lost answer to a browser is healed by a new proof, however late, and its access token begins anew': {
    settings: { policy: 'address', reuseSeconds: 0 },
    history: [
      register(0, 0),
      present(0, 0, 'newest', 'home', 'device', true, 'own'),
      present(86_400, 0, 'newest', 'abroad', 'device', false, 'own'),
      look(0, 0),
      present(299, 0, 'newest', 'home', 'GET', false),
      present(1, 0, 'newest', 'home', 'GET', false),
      present(0, 0, 'newest', 'home', 'device', false, 'own'),
    ],
  },
  'a copy of a whole request gets nothing, also with the next token, and ends nothing': {
    settings: { policy: 'address', reuseSeconds: 10 },
    history: [
      signIn(0, 'home', 'proof'),
      register(0, 0),
      ...([0, 1] as const).flatMap((target) => [
        present(0, target, 'newest', 'home', target === 0 ? 'device' : 'json', false, 'own'),
        copyRequest(0, target, 'home'),
        copyRequest(0, target, 'home', 'newest'),
        copyRequest(59, target, 'abroad'),
        copyRequest(0, target, 'abroad', 'newest'),
        look(target, 0),
      ]),
    ],
  },
  'a browser may register twice, and nobody binds over its key, or over that of an app': {
    settings: { policy: 'address', reuseSeconds: 0 },
    history: [
      register(0, 0),
      register(0, 0),
      register(0, 0, 'other'),
      signIn(0, 'home', 'guid'),
      bind(1, 'dpop'),
      register(1, 0),
      look(0, 0),
      look(1, 0),
    ],
  },
  'a browser binds at the pair that it has by then, and not where its page has refreshed meanwhile': {
    settings: { policy: 'address', reuseSeconds: 10 },
    history: [
      present(0, 0, 'newest', 'home', 'GET', false),
      register(0, 1),
      look(0, 0),
      register(0, 0),
      present(0, 0, 'predecessor', 'home', 'GET', false),
      present(0, 0, 'newest', 'home', 'device', false, 'own'),
    ],
  },
  'an offer is for five minutes, for the access token of a session that lives': {
    settings: { policy: 'address', reuseSeconds: 0 },
    history: [
      signIn(0, 'home', 'guid'),
      present(1, 0, 'newest', 'home', 'GET', false),
      revoke(1, 0, 'refresh'),
      register(1, 0),
      advance(299),
      register(0, 0),
      register(0, 1),
      look(0, 0),
    ],
  },
  'a session that is not bound gets nothing without its access token, and one of an app is asked for its own proof': {
    settings: { policy: 'address', reuseSeconds: 0 },
    history: [
      present(0, 0, 'newest', 'home', 'device', false),
      present(0, 0, 'newest', 'abroad', 'device', false, 'own'),
      present(0, 0, 'newest', 'home', 'bare', false),
      signIn(0, 'home', 'proof'),
      present(0, 1, 'newest', 'home', 'bare', false),
      present(0, 1, 'newest', 'home', 'device', false),
      present(0, 1, 'newest', 'home', 'device', false, 'own'),
      look(1, 0),
    ],
  },
  'the end of a bound session is one to its browser, too': {
    settings: { policy: 'address', reuseSeconds: 0 },
    history: [
      register(0, 0),
      present(0, 0, 'newest', 'home', 'device', false, 'own'),
      setActive(0, false),
      present(0, 0, 'newest', 'home', 'device', false),
      setActive(0, true),
      look(0, 0),
      signOut(0, 0),
      present(0, 0, 'newest', 'home', 'GET', false),
      present(0, 0, 'newest', 'home', 'device', false, 'own'),
      present(0, 0, 'predecessor', 'home', 'device', false, 'own'),
      // Whoever had the request had the key: that is reuse.
      copyRequest(0, 0, 'home'),
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
  const before = reached.steps
  await fc.asyncModelRun(() => start, history)
  await expectRows(start.model, start.real)
  expect(reached.steps - before).toBe(history.length)
})

type Registered = 'bound' | `not bound: ${'token_not_valid' | 'token_used' | 'wrong_data_structure'}`

/** Each is in a story, so that none is left to chance. `expired` needs another SESSION_MAX_SECONDS: refresh-by-cookies.test.ts. */
const VERDICTS = {
  next: true,
  same: true,
  'out of its time': true,
  unknown: true,
  ended: true,
  inactive: true,
  moved: true,
  race: true,
  reused: true,
  unproven: true,
  other_key: true,
  proof_used: true,
  challenge: true,
  'nothing new': true,
  'no access token': true,
  'first half': true,
  bound: true,
  'not bound: token_not_valid': true,
  'not bound: token_used': true,
  'not bound: wrong_data_structure': true,
} as const satisfies Record<Exclude<Cause, 'expired'> | Exclude<Verdict['kind'], 'refused'> | Registered, true>

test('the histories together met every verdict', () => {
  expect([...reached.verdicts].toSorted()).toEqual(Object.keys(VERDICTS).toSorted())
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
  forgetChallenges()
  for (const list of [queued, outgoing, logged]) list.length = 0
  await signIn(0, 'home', 'guid').run(model, real)
  return { model, real }
}
