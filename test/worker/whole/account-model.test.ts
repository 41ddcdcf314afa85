/**
 * Random histories of accounts, against the Worker with its real store and against the model of docs/accounts.md in
 * `test/support/account-model.ts`. The two agree after every step: in the answer, in the mails that became due, and in every row about an
 * account. A failure is shrunk to the shortest history that shows it, and printed with its seed. Sessions and their tokens: model.test.ts.
 */

import { env } from 'cloudflare:workers'
import * as fc from 'fast-check'
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest'

import {
  advance,
  ADDRESSES,
  changeAddress,
  changePassword,
  type Command,
  commands,
  cron,
  expectAlive,
  failSignIns,
  forgot,
  leave,
  look,
  misuse,
  PASSWORDS,
  press,
  reached,
  register,
  resend,
  setActive,
  signIn,
  type World,
} from '../../support/account-commands.ts'
import { ACCESS_TTL_SECONDS, AccountModel, DAY_SECONDS, newPerson } from '../../support/account-model.ts'
import {
  closeOrOpen,
  createByOperator,
  deleteByOperator,
  endSessions,
  giveAddress,
  givePassword,
  operatorCommands,
} from '../../support/operator-commands.ts'
import { createAccount, emptyTables } from '../../support/accounts.ts'
import { cheapPasswords, startCheapWorker } from '../../support/cheap-passwords.ts'
import { START } from '../../support/clock.ts'

/** `TESSERA_MODEL_RUNS` and `TESSERA_MODEL_SECONDS` are for long runs by hand; `.ci/run` has 8 s. */
const RUNS = Number(Reflect.get(env, 'TESSERA_MODEL_RUNS') || 500)
const SECONDS = Number(Reflect.get(env, 'TESSERA_MODEL_SECONDS') || 2)
const LEAST = Math.min(12, RUNS)
const TIME_LIMIT_MILLISECONDS = RUNS > 500 ? 3_600_000 : SECONDS * 1000
const MAX_COMMANDS = 30

const announced: unknown[] = []
// The limits of the platform are tested by themselves, and a place is judged by its sign-ins alone here.
const worker = startCheapWorker({
  ACCESS_TTL_SECONDS: String(ACCESS_TTL_SECONDS),
  LOCATION_POLICY: 'off',
  MAIL_QUEUE: { send: async (body: unknown) => void announced.push(body) },
  RATE_BY_ADDRESS: undefined,
  RATE_BY_ACCOUNT: undefined,
})
let histories = 0

beforeEach(() => {
  vi.spyOn(console, 'warn').mockImplementation(() => {})
})

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

afterAll(() => {
  console.info(`${histories} histories, ${reached.steps} steps`)
})

/** An account of long ago, with mail and a password, and one that nobody confirmed. */
async function begin(): Promise<{ model: AccountModel; real: World }> {
  vi.setSystemTime(START * 1000)
  announced.length = 0
  await emptyTables(env.DB)
  const [password] = PASSWORDS
  const passwordHash = await (hash ??= cheapPasswords().hash(password))
  const people = [newPerson(ADDRESSES[0], password, 1_700_000_000), newPerson(ADDRESSES[1], password, 1_700_000_000)]
  for (const [i, person] of people.entries()) {
    person.isConfirmed = i === 0
    const options = { email: person.email, passwordHash, ...(i === 1 && { confirmedAt: null }) }
    // oxlint-disable-next-line no-await-in-loop -- their ids are in their order
    person.id = (await createAccount(env.DB, options)).id
  }
  return { model: new AccountModel(START, people), real: { worker, rows: new Map(), announced } }
}

let hash: Promise<string> | undefined

async function end({ model, real }: Awaited<ReturnType<typeof begin>>): Promise<void> {
  for (const session of model.sessions) {
    // oxlint-disable-next-line no-await-in-loop -- few of them, and the first that fails is to be told
    await expectAlive(model, real, session)
  }
}

test(
  'every history of accounts goes as the model says',
  async () => {
    const deadline = performance.now() + TIME_LIMIT_MILLISECONDS
    let isFailing = false
    await fc.assert(
      fc.asyncProperty(
        fc.commands([...commands(), ...operatorCommands()], { maxCommands: MAX_COMMANDS, size: 'max' }),
        async (history) => {
          if (histories >= LEAST && performance.now() > deadline && !isFailing) return
          histories += 1
          const start = await begin()
          try {
            await fc.asyncModelRun(() => start, history)
            await end(start)
          } catch (error) {
            isFailing = true
            throw error
          }
        },
      ),
      { numRuns: RUNS },
    )
    expect(histories).toBeGreaterThanOrEqual(LEAST)
  },
  TIME_LIMIT_MILLISECONDS + 120_000,
)

/** Histories that chance takes long to find: each edge of the rules, from both sides. */
const STORIES: Readonly<Record<string, readonly Command[]>> = {
  'a link makes the account, once, and voids every other of its address': [
    register(2, 0),
    register(2, 1),
    resend(2),
    misuse(0, 'reset_password'),
    press(1, 0, 3),
    press(0, 0, 1),
    press(2, 0, 1),
    signIn(2, 1, 'home'),
    resend(2),
    register(2, 2),
  ],
  'a registration is over after a day, and asking again begins another one': [
    register(2, 0),
    advance(DAY_SECONDS - 1),
    resend(2),
    advance(1),
    press(1, 0, 1),
    cron(),
    press(0, 0, 1),
  ],
  'an address gets five mails of a kind a day': [
    ...Array.from({ length: 6 }, () => forgot(0)),
    ...Array.from({ length: 6 }, () => register(2, 0)),
    ...Array.from({ length: 6 }, () => resend(2)),
    press(0, 0, 1),
    register(2, 0),
    advance(DAY_SECONDS - 1),
    forgot(0),
    advance(1),
    forgot(0),
    register(2, 0),
  ],
  'an address that is asked for five times is told of nothing more, though it has an account by then': [
    signIn(0, 0, 'home'),
    changeAddress(0, 0, 1, 'home'),
    changeAddress(0, 0, 1, 'home'),
    changeAddress(0, 0, 0, 'home'),
    ...Array.from({ length: 6 }, () => changeAddress(0, 0, 2, 'home')),
    register(2, 1),
    press(0, 1, 1),
    changeAddress(0, 0, 2, 'home'),
  ],
  'of two registrations the newest one is sent again': [
    register(2, 0),
    register(2, 1),
    resend(2),
    press(0, 0, 1),
    signIn(2, 0, 'home'),
    signIn(2, 1, 'home'),
  ],
  // The clock starts at half past ten.
  'the owner of an address is told of others once a day': [
    register(0, 1),
    advance(48_584),
    register(0, 1),
    advance(1),
    register(0, 1),
    advance(DAY_SECONDS),
    register(0, 1),
  ],
  'a new password by mail ends every session and every wait, confirms the address, and voids its links': [
    signIn(0, 0, 'home'),
    failSignIns(0, 'abroad', 10),
    signIn(0, 0, 'abroad'),
    forgot(0),
    forgot(0),
    press(0, 1, 3),
    press(1, 2, 1),
    look(0),
    signIn(0, 1, 'abroad'),
    forgot(1),
    press(0, 1, 1),
    signIn(1, 1, 'home'),
  ],
  'a link for a new password works for an hour': [
    forgot(0),
    forgot(0),
    advance(3599),
    press(0, 1, 1),
    forgot(0),
    advance(3600),
    press(0, 1, 1),
  ],
  'another password ends every other session': [
    signIn(0, 0, 'home'),
    signIn(0, 0, 'neighbour'),
    changePassword(0, 1, 2, 'home'),
    changePassword(0, 0, 1, 'home'),
    look(0),
    look(1),
    changePassword(1, 1, 2, 'home'),
    changePassword(0, 1, 2, 'home'),
  ],
  'a chain of addresses is taken back from any of its links, and what came later is void': [
    signIn(0, 0, 'home'),
    changeAddress(0, 0, 2, 'home'),
    press(0, 0, 3),
    changeAddress(0, 0, 3, 'home'),
    press(0, 0, 1),
    press(2, 0, 1),
    press(0, 0, 1),
    look(0),
    forgot(0),
    press(0, 1, 1),
    signIn(0, 1, 'home'),
  ],
  'another address needs the password, and is confirmed for a day': [
    signIn(0, 0, 'home'),
    changeAddress(0, 1, 2, 'home'),
    changeAddress(0, 0, 2, 'home'),
    changeAddress(0, 0, 3, 'home'),
    advance(DAY_SECONDS - 1),
    press(1, 0, 1),
    signIn(2, 0, 'home'),
    changeAddress(0, 0, 3, 'home'),
    advance(DAY_SECONDS),
    press(0, 0, 1),
  ],
  'a change is taken back for seven days': [
    signIn(0, 0, 'home'),
    changeAddress(0, 0, 2, 'home'),
    press(0, 0, 1),
    advance(7 * DAY_SECONDS - 1),
    cron(),
    press(0, 0, 1),
    forgot(0),
    press(0, 0, 1),
    signIn(0, 0, 'home'),
    changeAddress(0, 0, 2, 'home'),
    press(0, 0, 1),
    advance(7 * DAY_SECONDS),
    press(0, 0, 1),
  ],
  'an address that somebody else has by now is not given twice': [
    signIn(0, 0, 'home'),
    changeAddress(0, 0, 2, 'home'),
    register(2, 1),
    press(0, 1, 1),
    press(1, 1, 1),
    changeAddress(0, 0, 3, 'home'),
    press(0, 0, 1),
    register(0, 1),
    press(0, 1, 1),
    press(1, 1, 1),
  ],
  'a registration whose address an account got meanwhile is over': [
    register(2, 1),
    signIn(0, 0, 'home'),
    changeAddress(0, 0, 2, 'home'),
    press(0, 0, 1),
    press(2, 0, 2),
    signIn(2, 1, 'home'),
    press(0, 0, 1),
    resend(2),
  ],
  'who leaves is forgotten, and no link brings anybody back': [
    signIn(0, 0, 'home'),
    changeAddress(0, 0, 2, 'home'),
    press(0, 0, 1),
    register(2, 1),
    forgot(2),
    changeAddress(0, 0, 3, 'home'),
    leave(0, 1, 'home'),
    leave(0, 0, 'home'),
    look(0),
    press(0, 0, 1),
    press(1, 0, 1),
    press(2, 0, 1),
    signIn(2, 0, 'home'),
    forgot(2),
    register(2, 1),
    press(0, 1, 1),
    signIn(2, 1, 'home'),
  ],
  'ten failures make strangers wait, twice as long each time, and nobody at home': [
    signIn(0, 0, 'home'),
    failSignIns(0, 'abroad', 10),
    signIn(0, 0, 'abroad'),
    signIn(0, 0, 'neighbour'),
    changePassword(0, 0, 1, 'abroad'),
    advance(60),
    failSignIns(0, 'abroad', 2),
    advance(119),
    signIn(0, 0, 'abroad'),
    advance(1),
    signIn(0, 0, 'abroad'),
  ],
  'each client at home waits for itself': [
    signIn(0, 0, 'home'),
    failSignIns(0, 'home', 10),
    signIn(0, 0, 'home'),
    signIn(0, 0, 'neighbour'),
    changePassword(0, 0, 1, 'home'),
    changePassword(0, 0, 1, 'neighbour'),
    advance(60),
    signIn(0, 1, 'home'),
  ],
  'whoever is deactivated gets no mail and no session, and their links wait with them': [
    signIn(0, 0, 'home'),
    forgot(0),
    setActive(1, false),
    look(0),
    press(0, 1, 1),
    forgot(0),
    failSignIns(0, 'abroad', 10),
    signIn(0, 0, 'home'),
    changePassword(0, 0, 1, 'home'),
    setActive(1, true),
    look(0),
    press(0, 1, 1),
  ],
  'an operator makes, closes and opens an account, and its sessions end for good': [
    createByOperator(2, 0),
    createByOperator(2, 1),
    signIn(2, 0, 'home'),
    closeOrOpen(0, false),
    closeOrOpen(0, false),
    look(0),
    signIn(2, 0, 'home'),
    closeOrOpen(0, true),
    look(0),
    signIn(2, 0, 'home'),
    look(0),
    endSessions(0),
    look(0),
    signIn(2, 0, 'home'),
  ],
  'what an operator gives voids the links of mails, and ends every session and every wait': [
    createByOperator(2, 0),
    signIn(2, 0, 'home'),
    forgot(2),
    failSignIns(2, 'abroad', 10),
    givePassword(0, 1),
    press(0, 2, 1),
    look(0),
    signIn(2, 1, 'abroad'),
    changeAddress(0, 1, 3, 'abroad'),
    press(0, 0, 1),
    giveAddress(0, 0),
    giveAddress(0, 3),
    giveAddress(0, 2),
    press(0, 0, 1),
    press(1, 0, 1),
    look(0),
    signIn(2, 1, 'home'),
  ],
  'who is deleted by an operator is forgotten as whoever leaves': [
    createByOperator(2, 0),
    signIn(2, 0, 'home'),
    forgot(2),
    register(2, 1),
    deleteByOperator(0),
    deleteByOperator(0),
    endSessions(0),
    closeOrOpen(0, true),
    giveAddress(0, 2),
    givePassword(0, 0),
    look(0),
    press(0, 1, 1),
    createByOperator(2, 2),
    signIn(2, 2, 'home'),
  ],
  'a place is known for ninety days, and told of when it is new or others failed before': [
    signIn(0, 0, 'home'),
    signIn(0, 0, 'abroad'),
    failSignIns(0, 'home', 2),
    signIn(0, 0, 'home'),
    failSignIns(0, 'home', 3),
    signIn(0, 0, 'home'),
    advance(90 * DAY_SECONDS),
    cron(),
    signIn(0, 0, 'home'),
  ],
}

test.each(Object.entries(STORIES))('%s', async (_, history) => {
  const start = await begin()
  const before = reached.steps
  await fc.asyncModelRun(() => start, history)
  await end(start)
  expect(reached.steps - before).toBe(history.length)
})

test('the histories together met every outcome', () => {
  const links = ['confirm', 'reset_password', 'confirm_email', 'undo_email']
  const outcomes = [
    ...links.flatMap((link) => ['done', 'token_used', 'token_not_valid'].map((how) => `${link} ${how}`)),
    ...['/auth/password', '/auth/email', '/auth/me'].flatMap((path) => [`${path} done`, `${path} refused`]),
    'create 201',
    'create 409',
    'closeOrOpen 200',
    'closeOrOpen 404',
    'givePassword 200',
    'givePassword 404',
    'giveAddress 200',
    'giveAddress 404',
    'giveAddress 409',
    'endSessions 204',
    'endSessions 404',
    'deleteByOperator 204',
    'deleteByOperator 404',
    'signed in',
    'sign-in refused',
  ]
  expect(outcomes.filter((one) => !reached.outcomes.has(one))).toEqual([])
})
