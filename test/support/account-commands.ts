/**
 * What can happen in a history of accounts: each command asks the Worker, tells the model, and holds the answer, the mails that became due, and
 * every row of accounts against it.
 */

import { env } from 'cloudflare:workers'
import * as fc from 'fast-check'
import { expect, vi } from 'vitest'

import { GOOD_PASSWORD, OTHER_PASSWORD, tokenOf } from './account-life.ts'
import {
  type AccountModel,
  LINK_SECONDS,
  type Mail,
  type PlaceName,
  PLACES,
  type Purpose,
  purposeOf,
  type Session,
} from './account-model.ts'
import type { MailRow } from './mailbox.ts'
import { purgeAll } from './purge.ts'
import { bearer, form, SERVICE } from './requests.ts'
import type { CallOptions, TestWorker } from './worker.ts'

/** The addresses of a history: that of an old account, that of one that nobody confirmed, and two that nobody has. */
export const ADDRESSES = [
  'owner@example.com',
  'imported@example.com',
  'third@example.com',
  'fourth@example.com',
] as const
export const PASSWORDS = [GOOD_PASSWORD, OTHER_PASSWORD, 'thirteen late swans midstream'] as const

/** The Worker's side of a history. */
export interface World {
  readonly worker: TestWorker
  /** The rows of mails, by the model's. */
  readonly rows: Map<Mail, MailRow>
  /** What was handed to the queue. */
  readonly announced: unknown[]
}

export type Command = fc.AsyncCommand<AccountModel, World>

/** Commands of all histories, and what came of them. */
export const reached = { steps: 0, outcomes: new Set<string>() }

const LINKS = {
  confirm: { path: '/auth/confirm', isPage: false },
  reset_password: { path: '/auth/password/reset', isPage: false },
  confirm_email: { path: '/links/confirm-email', isPage: true },
  undo_email: { path: '/links/undo-email', isPage: true },
} as const satisfies Readonly<Record<Purpose, unknown>>

export function commands(): fc.Arbitrary<Command>[] {
  const index = fc.nat({ max: 7 })
  const email = fc.nat({ max: ADDRESSES.length - 1 })
  const password = fc.nat({ max: PASSWORDS.length - 1 })
  const place = fc.constantFrom(...(Object.keys(PLACES) as PlaceName[]))
  const pause = fc.constantFrom(1, 59, 60, 61, 3599, 3600, 86_399, 86_400, 172_800, 604_799, 604_800, 90 * 86_400)
  const purpose = fc.constantFrom(...(Object.keys(LINK_SECONDS) as Purpose[]))
  const mail = fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: index })
  return [
    fc.tuple(email, password).map((args) => register(...args)),
    email.map(resend),
    email.map(forgot),
    fc.tuple(mail, password, fc.constantFrom(1, 1, 3)).map((args) => press(...args)),
    fc.tuple(mail, password, fc.constantFrom(1, 1, 3)).map((args) => press(...args)),
    fc.tuple(mail, password, fc.constantFrom(1, 1, 3)).map((args) => press(...args)),
    fc.tuple(index, purpose).map((args) => misuse(...args)),
    fc.tuple(email, password, place).map((args) => signIn(...args)),
    fc.tuple(email, password, place).map((args) => signIn(...args)),
    fc.tuple(email, password, place).map((args) => signIn(...args)),
    fc.tuple(email, place, fc.constantFrom(2, 3, 9, 10)).map((args) => failSignIns(...args)),
    fc.tuple(mail, password, password, place).map((args) => changePassword(...args)),
    fc.tuple(mail, password, email, place).map((args) => changeAddress(...args)),
    fc.tuple(mail, password, email, place).map((args) => changeAddress(...args)),
    fc.tuple(mail, password, place).map((args) => leave(...args)),
    fc.tuple(index, fc.boolean()).map((args) => setActive(...args)),
    pause.map(advance),
    index.map(look),
    fc.constant(cron()),
  ]
}

export function command(
  name: string,
  run: Command['run'],
  check: (model: AccountModel) => boolean = () => true,
): Command {
  return {
    // The library calls the model read-only, which a class with private parts is not.
    check: (model) => check(model as AccountModel),
    async run(model, world) {
      reached.steps += 1
      const before = model.mails.length
      await run(model, world)
      await expectRows(model, world, model.mails.slice(before))
    },
    toString: () => name,
  }
}

export function register(email: number, password: number): Command {
  return command(`register(${email}, ${password})`, async (model, world) => {
    const asked = { primary_email: at(ADDRESSES, email), password: at(PASSWORDS, password) }
    expect(await ask(world, 'POST', '/auth/register', asked)).toBe('202')
    model.register(asked.primary_email, asked.password)
  })
}

export function resend(email: number): Command {
  return command(`resend(${email})`, async (model, world) => {
    expect(await ask(world, 'POST', '/auth/confirm/resend', { primary_email: at(ADDRESSES, email) })).toBe('202')
    model.resend(at(ADDRESSES, email))
  })
}

export function forgot(email: number): Command {
  return command(`forgot(${email})`, async (model, world) => {
    expect(await ask(world, 'POST', '/auth/password/forgot', { primary_email: at(ADDRESSES, email) })).toBe('202')
    model.forgot(at(ADDRESSES, email))
  })
}

/** Follows the link of a mail, 0 being the newest one that has a link. Several at once: one of them does what all want. */
export function press(which: number, password: number, callers: number): Command {
  return command(
    `press(${which}, ${password}, ${callers} at once)`,
    async (model, world) => {
      const mail = newest(linked(model), which)
      const purpose = purposeOf(mail) ?? 'confirm'
      const answers = await Promise.all(
        Array.from({ length: callers }, () => follow(world, mail, purpose, purpose, at(PASSWORDS, password))),
      )
      const refusal = model.refusal(mail, purpose)
      const done = LINKS[purpose].isPage ? '303' : '204'
      const used = LINKS[purpose].isPage ? '401 This link was used already' : '401 token_used'
      const old = LINKS[purpose].isPage ? '401 This link does not work' : '401 token_not_valid'
      const first = refusal === null ? done : refusal === 'token_used' ? used : old
      const others = first === done ? used : first
      reached.outcomes.add(`${purpose} ${refusal ?? 'done'}`)
      expect(answers.toSorted(byText)).toEqual([first, ...Array<string>(callers - 1).fill(others)].toSorted(byText))
      if (refusal !== null) {
        if (refusal === 'token_used' && purpose === 'confirm') model.confirmLate(mail)
        return
      }
      if (purpose === 'confirm') model.confirm(mail, await idOf(mail.recipient))
      if (purpose === 'reset_password') model.reset(mail, at(PASSWORDS, password))
      if (purpose === 'confirm_email') model.confirmAddress(mail)
      if (purpose === 'undo_email') model.undoAddress(mail)
    },
    (model) => linked(model).length > 0,
  )
}

/** Takes the token of a link to where another one leads, or has one of another purpose for a mail. Nothing happens. */
export function misuse(which: number, purpose: Purpose): Command {
  return command(
    `misuse(${which}, ${purpose})`,
    async (model, world) => {
      const mail = newest(linked(model), which)
      const own = purposeOf(mail) ?? 'confirm'
      if (own === purpose) return
      const expected = LINKS[purpose].isPage ? '401 This link does not work' : '401 token_not_valid'
      expect(await follow(world, mail, own, purpose, at(PASSWORDS, 0))).toBe(expected)
    },
    (model) => linked(model).length > 0,
  )
}

export function signIn(email: number, password: number, place: PlaceName): Command {
  return command(`signIn(${email}, ${password}, ${place})`, (model, world) =>
    signInOnce(model, world, at(ADDRESSES, email), at(PASSWORDS, password), place),
  )
}

/** So many sign-ins in a row with a password that nobody has. */
export function failSignIns(email: number, place: PlaceName, times: number): Command {
  return command(`failSignIns(${email}, ${place}, ${times})`, async (model, world) => {
    for (let i = 0; i < times; i += 1) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other is what is meant
      await signInOnce(model, world, at(ADDRESSES, email), 'wrong', place)
    }
  })
}

async function signInOnce(model: AccountModel, world: World, email: string, password: string, place: PlaceName) {
  const answer = await call(world, 'POST', '/auth/token', { primary_email: email, password }, { place })
  if (!model.tryPassword(email, password, place, true)) {
    reached.outcomes.add('sign-in refused')
    expect(await inWords(answer)).toBe('401 no_active_account')
    return
  }
  const { access, refresh, ...rest } = await answer.json<{ access: string; refresh: string }>()
  const person = model.ownerOf(email)
  expect(rest).toEqual({ email, group: 'user', user_id: person?.id })
  reached.outcomes.add('signed in')
  if (person !== null) model.signedIn(person, place, { access, refresh })
}

export function changePassword(which: number, current: number, next: number, place: PlaceName): Command {
  return asOwner(`changePassword(${which}, ${current}, ${next}, ${place})`, which, place, {
    request: [
      'POST',
      '/auth/password',
      { current_password: at(PASSWORDS, current), new_password: at(PASSWORDS, next) },
    ],
    password: at(PASSWORDS, current),
    done: '204',
    tell: (model, session) => model.changePassword(session, at(PASSWORDS, next)),
  })
}

export function changeAddress(which: number, password: number, email: number, place: PlaceName): Command {
  return asOwner(`changeAddress(${which}, ${password}, ${email}, ${place})`, which, place, {
    request: ['POST', '/auth/email', { password: at(PASSWORDS, password), new_email: at(ADDRESSES, email) }],
    password: at(PASSWORDS, password),
    done: '202',
    tell: (model, session) => model.askAddress(session, at(ADDRESSES, email)),
  })
}

export function leave(which: number, password: number, place: PlaceName): Command {
  return asOwner(`leave(${which}, ${password}, ${place})`, which, place, {
    request: ['DELETE', '/auth/me', { password: at(PASSWORDS, password) }],
    password: at(PASSWORDS, password),
    done: '204',
    tell: (model, session) => model.leave(session),
  })
}

interface OwnersRequest {
  readonly request: readonly [method: string, path: string, json: unknown]
  readonly password: string
  readonly done: string
  readonly tell: (model: AccountModel, session: Session) => void
}

/** What needs a session and the password. 0 is the newest session. */
function asOwner(name: string, which: number, place: PlaceName, { request, password, done, tell }: OwnersRequest) {
  return command(
    name,
    async (model, world) => {
      const session = newest(model.sessions, which)
      const refusal = model.govern(session)
      const [method, path, json] = request
      const answer = await ask(world, method, path, json, { place, headers: bearer(session.access) })
      if (refusal !== null) {
        expect(answer).toBe(`401 ${refusal}`)
        return
      }
      const isRight = model.tryPassword(String(session.person.email), password, place, false)
      reached.outcomes.add(`${path} ${isRight ? 'done' : 'refused'}`)
      expect(answer).toBe(isRight ? done : '400 password_not_valid')
      if (isRight) tell(model, session)
    },
    (model) => model.sessions.length > 0,
  )
}

/** The operator's own way. Who has left stays gone. */
export function setActive(which: number, isActive: boolean): Command {
  return command(`setActive(${which}, ${isActive})`, async (model) => {
    const person = newest(model.people, which)
    if (person.hasLeft) return
    await env.DB.prepare('UPDATE users SET is_active = ? WHERE id = ?').bind(Number(isActive), person.id).run()
    person.isActive = isActive
  })
}

export function advance(seconds: number): Command {
  return command(`advance(${seconds} s)`, async (model) => {
    model.now += seconds
    vi.setSystemTime(model.now * 1000)
  })
}

/** Looks at a session. Changes nothing. */
export function look(which: number): Command {
  return command(
    `look(${which})`,
    (model, world) => expectAlive(model, world, newest(model.sessions, which)),
    (model) => model.sessions.length > 0,
  )
}

export function cron(): Command {
  return command('cron()', async (model) => {
    await purgeAll()
    model.purge()
  })
}

/** Whether a session lives is what the model says. */
export async function expectAlive(model: AccountModel, world: World, session: Session): Promise<void> {
  const token = { token: session.refresh }
  const response = await call(world, 'POST', '/auth/token/introspect', token, { place: 'home', headers: SERVICE })
  const { active } = await response.json<{ active: boolean }>()
  expect(active).toBe(model.isAlive(session))
}

/** Every row about accounts is what the model has, and so are the mails that have just become due, each announced once. */
export async function expectRows(model: AccountModel, world: World, due: readonly Mail[]): Promise<void> {
  const [users, mails, registrations, changes, places, sessions] = await env.DB.batch<Record<string, unknown>>(
    [
      `SELECT id, primary_email, is_active, confirmed_at IS NOT NULL AS confirmed, password_hash IS NOT NULL AS password,
         credentials_version, left_at IS NOT NULL AS has_left, coalesce(ended_before, 0) AS ended_before FROM users ORDER BY id`,
      'SELECT * FROM notifications ORDER BY created_at, rowid',
      'SELECT email, created_at FROM registrations ORDER BY rowid',
      'SELECT user_id, former_email FROM address_changes ORDER BY rowid',
      "SELECT user_id, place, seen_at FROM seen_places WHERE place NOT LIKE '% %' ORDER BY user_id, place",
      'SELECT DISTINCT user_id FROM sessions ORDER BY user_id',
    ].map((sql) => env.DB.prepare(sql)),
  )
  expect(users?.results).toEqual(
    model.people.map((one) => ({
      id: one.id,
      primary_email: one.email,
      is_active: Number(one.isActive),
      confirmed: Number(one.isConfirmed),
      password: Number(one.password !== null),
      credentials_version: one.version,
      has_left: Number(one.hasLeft),
      ended_before: one.endedBefore,
    })),
  )
  expect(
    mails?.results.map(({ kind, recipient, user_id, created_at }) => ({ kind, recipient, user_id, created_at })),
  ).toEqual(
    model.outbox.map(({ kind, recipient, person, at: created_at }) => {
      return { kind, recipient, user_id: person?.id ?? 0, created_at }
    }),
  )
  const rows = (mails?.results ?? []) as unknown as readonly MailRow[]
  for (const [i, mail] of due.entries()) world.rows.set(mail, rows[rows.length - due.length + i] ?? { id: '' })
  expect(world.announced.splice(0)).toEqual(
    due.map((mail) => ({ id: world.rows.get(mail)?.id, account: mail.person?.id ?? 0 })),
  )
  expect(registrations?.results).toEqual(
    model.registrations.map(({ email, at: created_at }) => ({ email, created_at })),
  )
  expect(changes?.results).toEqual(
    model.changes.map(({ person, former }) => ({ user_id: person.id, former_email: former })),
  )
  expect(places?.results).toEqual(
    model.people.flatMap(({ id, seen }) =>
      [...seen].toSorted(byText).map(([place, seen_at]) => ({ user_id: id, place, seen_at })),
    ),
  )
  const left = new Set(model.people.filter(({ hasLeft }) => hasLeft).map(({ id }) => id))
  expect(sessions?.results.filter(({ user_id }) => left.has(Number(user_id)))).toEqual([])
}

/** Follows a link: the token of one purpose, to where one of another may lead. */
async function follow(world: World, mail: Mail, purpose: Purpose, to: Purpose, password: string): Promise<string> {
  const row = world.rows.get(mail)
  if (row === undefined) throw new Error('no row of this mail')
  const token = await tokenOf(row, purpose)
  const { path, isPage } = LINKS[to]
  if (isPage) return inWords(await world.worker.call(path, { ...form({ token }), method: 'POST' }))
  return ask(world, 'POST', path, { token, ...(to === 'reset_password' && { new_password: password }) })
}

interface Asked extends Pick<CallOptions, 'headers'> {
  readonly place?: PlaceName
}

function call(world: World, method: string, path: string, json: unknown, { place = 'home', headers }: Asked = {}) {
  const { ip, asn, country } = PLACES[place]
  const cf = { asn, country } as Partial<IncomingRequestCfProperties>
  return world.worker.call(path, { method, json, ip, cf, ...(headers !== undefined && { headers }) })
}

async function ask(world: World, method: string, path: string, json: unknown, asked: Asked = {}): Promise<string> {
  return inWords(await call(world, method, path, json, asked))
}

/** The status of an answer, and what a refusal is called. */
async function inWords(response: Response): Promise<string> {
  const text = await response.text()
  if (response.status < 400) return String(response.status)
  const called = text.startsWith('{') ? (JSON.parse(text) as { code: string }).code : /<h1>(.*)<\/h1>/.exec(text)?.[1]
  return `${response.status} ${called}`
}

function linked({ mails }: AccountModel): readonly Mail[] {
  return mails.filter((mail) => purposeOf(mail) !== null)
}

async function idOf(email: string): Promise<number> {
  return Number(await env.DB.prepare('SELECT id FROM users WHERE primary_email = ?').bind(email).first('id'))
}

export function at<T>(items: readonly T[], i: number): T {
  const item = items[i % items.length]
  if (item === undefined) throw new Error('nothing to pick from')
  return item
}

/** Of a list that is oldest first. */
export function newest<T>(items: readonly T[], back: number): T {
  return at(items, items.length - 1 - (back % items.length))
}

function byText(a: unknown, b: unknown): number {
  return String(a) < String(b) ? -1 : 1
}
