/** The Worker's side of a history: its settings, its mails, its answers and rows, and how each is held against the model. */

import { env } from 'cloudflare:workers'
import type * as fc from 'fast-check'
import { afterEach, beforeEach, expect, vi } from 'vitest'

import { HASHES } from './accounts.ts'
import { TEST_BINDINGS } from './bindings.ts'
import { challengeOf } from './dbsc.ts'
import { decodeToken } from './forge.ts'
import { keepChallenge, keyOf, type NewProof, type ProofHeaders, proofHeaders, takeChallenge } from './model-proofs.ts'
import {
  ACCESS_TTL_SECONDS,
  accessExpiry,
  type Binding,
  type LinkPurpose,
  type ModelAccount,
  type ModelMail,
  type ModelPair,
  type ModelProof,
  type ModelSession,
  type Place,
  PLACES,
  REFRESH_TTL_SECONDS,
  SESSION_MAX_SECONDS,
  type SessionModel,
  SESSIONS_MAX,
  type Settings,
  type Verdict,
  type Via,
} from './session-model.ts'
import { typeOf } from './answers.ts'
import { type CallOptions, ORIGIN, pairOf, setCookies, startWorker, type TestWorker } from './worker.ts'
import { type Tokens } from './sessions.ts'

const PROBLEMS = {
  wrong_data_structure: [400, 'Bad Request', 'Wrong data structure'],
  token_missing: [401, 'Unauthorized', 'Access token is missing'],
  token_used: [401, 'Unauthorized', 'Token used before'],
  token_not_valid: [401, 'Unauthorized', 'Not valid token'],
  location_blocked: [401, 'Unauthorized', "You're location is blocked"],
  no_active_account: [401, 'Unauthorized', 'No active account found with the given credentials'],
  dpop_proof_not_valid: [401, 'Unauthorized', 'Not valid DPoP proof'],
  device_proof_required: [403, 'Forbidden', 'Device proof required'],
  not_found: [404, 'Not Found', 'Not found'],
} as const

type Code = keyof typeof PROBLEMS

export type Which = 'newest' | 'predecessor' | 'older'

interface SentMail {
  readonly to: string
  readonly subject: string
  readonly text: string
}

/** The Worker's side of a history. */
export interface World {
  readonly worker: () => TestWorker
  settings: Settings
  readonly sent: SentMail[]
  readonly links: Map<ModelMail, Partial<Record<LinkPurpose, string>>>
}

export type Command = fc.AsyncCommand<SessionModel, World>

const workers = new Map<string, TestWorker>()

/** What the queue was given, and what the mail binding was. */
export const queued: unknown[] = []

export const outgoing: SentMail[] = []

export const logged: unknown[] = []

/** No jti is ever given out twice. */
const jtis = new Set<string>()

let accountsMade = 0

/** Commands of all histories, and what became of the tokens that they presented. */
export const reached = { steps: 0, verdicts: new Set<string>() }

/** The log is kept, and each history has a clock of its own. */
export function watch(): void {
  beforeEach(() => {
    vi.spyOn(console, 'warn').mockImplementation((event: unknown) => void logged.push(event))
  })

  afterEach(() => {
    vi.restoreAllMocks()
    vi.useRealTimers()
  })
}

export function freshAccount(): ModelAccount {
  return {
    guid: '',
    email: null,
    id: null,
    isActive: true,
    endedBefore: null,
    endedExcept: null,
    allowed: new Map(),
    seen: new Map(),
  }
}

const OWNERS_AT_ONCE = 500

export async function freshOwner(): Promise<ModelAccount> {
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

export function workerFor({ policy, reuseSeconds }: Settings): TestWorker {
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
    DEVICE_BINDING: 'offer',
    MAIL_QUEUE: { send: async (body: unknown) => void queued.push(body) },
    EMAIL: { send: async (mail: SentMail) => void outgoing.push(mail) },
  })
  workers.set(key, worker)
  return worker
}

export function passSeconds(model: SessionModel, seconds: number): void {
  model.now += seconds
  vi.setSystemTime(model.now * 1000)
}

/** A command that is counted, and after which every mail that is due was sent, once. */
export function command(
  name: string,
  { check = () => true, run }: { check?: (model: SessionModel) => boolean; run: Command['run'] },
): Command {
  return {
    check,
    async run(model, world) {
      reached.steps += 1
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

export const LINK_PATHS = { end_sessions: '/links/end-sessions', allow_place: '/links/allow-place' } as const

const SUBJECTS = {
  location_blocked: 'Tessera: we blocked a session that moved to another place',
  token_reused: 'Tessera: we ended a session whose key was used twice',
  new_sign_in: 'Tessera: a sign-in from a new place',
  other_key: 'Tessera: somebody has a copy of a session of yours',
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

export function call(world: World, path: string, place: Place, options: CallOptions = {}): Promise<Response> {
  const { asn, country } = place
  const cf = { asn, country } as Partial<IncomingRequestCfProperties>
  return world
    .worker()
    .call(path, { method: options.json === undefined ? 'GET' : 'POST', ...options, ip: place.ip, cf })
}

export function callAs(world: World, { access }: ModelPair, path: string, method: string): Promise<Response> {
  return call(world, path, PLACES.home, { method, headers: { Authorization: `Bearer ${access}` } })
}

/** One request with a pair. */
export async function callRefresh(
  world: World,
  { session, pair: { access, refresh }, place }: Omit<Presented, 'model'>,
  via: Via,
  headers: ProofHeaders = {},
): Promise<Response> {
  switch (via) {
    case 'json':
      return call(world, '/auth/token/refresh', place, { json: { refresh }, headers })
    case 'device':
      return call(world, '/refresh/device', place, {
        method: 'POST',
        cookies: { refresh_token: refresh },
        headers: { ...headers, 'Sec-Secure-Session-Id': `"${session.sid}"` },
      })
    case 'bare':
      return call(world, '/refresh', place, { method: 'POST', cookies: { refresh_token: refresh } })
    case 'GET':
    case 'POST':
      return call(world, '/refresh', place, { method: via, cookies: { access_token: access, refresh_token: refresh } })
  }
}

/** What a request proves that asks for its challenge first: nothing, where it gets none. */
export function provenAfterAsking({ model, session, pair }: Presented, via: Via, proof: ModelProof): ModelProof {
  if (via !== 'device') return proof
  const asked = model.ask(session, pair)
  return asked.kind === 'refused' && asked.code === 'device_proof_required' ? proof : 'none'
}

/**
 * The headers by which a holder of a pair proves a key, and what they prove. Where a challenge is to be asked for, the answer to that is held
 * against the model.
 */
export async function prove(
  world: World,
  presented: Presented,
  via: Via,
  proof: NewProof,
): Promise<{ readonly headers: ProofHeaders; readonly proven: ModelProof }> {
  const { session, pair } = presented
  const { boundBy } = session
  if (via !== 'device' || proof === 'none')
    return { headers: await proofHeaders(proof, via, { boundBy, challenge: '' }), proven: proof }
  const kept = takeChallenge(pair)
  const challenge = kept ?? (await askForChallenge(world, presented))
  if (challenge === '') return { headers: {}, proven: 'none' }
  const proven = proof === 'own' && kept !== undefined ? 'kept' : proof
  return { headers: await proofHeaders(proof, via, { boundBy, challenge }), proven }
}

/** The first half of a refresh by proof. Empty where it ends there. */
async function askForChallenge(world: World, presented: Presented): Promise<string> {
  const { model, session, pair } = presented
  logged.length = 0
  const asked = await callRefresh(world, presented, 'device')
  const verdict = model.ask(session, pair)
  await expectVerdict(asked, verdict, 'device', presented)
  expect(loggedCauses()).toEqual(causesOf(verdict))
  return challengeOf(asked).challenge
}

export function introspect(world: World, token: string): Promise<Response> {
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

/** The answer to one of several callers at once. By /refresh/device, each of them asks for a challenge of its own. */
export async function answerTo(
  world: World,
  presented: Omit<Presented, 'model'>,
  via: Via,
  proof: NewProof = 'none',
): Promise<Answer> {
  const isAsked = via === 'device' && proof !== 'none'
  const asked = isAsked ? await callRefresh(world, presented, via) : null
  const { challenge } = asked === null ? { challenge: '' } : challengeOf(asked)
  if (asked !== null && challenge === '') return answered(asked, via)
  const headers = await proofHeaders(proof, via, { boundBy: presented.session.boundBy, challenge })
  return answered(await callRefresh(world, presented, via, headers), via)
}

async function answered(response: Response, via: Via): Promise<Answer> {
  const text = response.status === 200 ? null : await response.clone().text()
  const code = Object.entries(PROBLEMS).find(([, [, , detail]]) => text?.includes(detail))?.[0] ?? null
  return { via, status: response.status, code, response }
}

export function answerFits({ status, code }: Answer, verdict: Verdict): boolean {
  return verdict.kind === 'refused' ? code === verdict.code : status === 200
}

/** The answer that the model foresaw, out of several. */
export function answerOf(winner: Answer | undefined, verdict: Verdict, answers: readonly Answer[]): Response {
  if (winner !== undefined) return winner.response
  throw new Error(
    `none was ${JSON.stringify(verdict)}: ${answers.map(({ status, code }) => code ?? status).join(', ')}`,
  )
}

export interface Presented {
  readonly model: SessionModel
  readonly session: ModelSession
  readonly pair: ModelPair
  readonly place: Place
}

/** Holds an answer against a verdict. Returns the pair that it carries. */
export async function expectVerdict(
  answer: Response,
  verdict: Verdict,
  via: Via,
  { model, session, pair, place }: Presented,
): Promise<ModelPair | null> {
  reached.verdicts.add(verdict.kind === 'refused' ? verdict.cause : verdict.kind)
  const asksForProof = verdict.kind === 'refused' && verdict.code === 'device_proof_required'
  if (asksForProof) expect(challengeOf(answer).id).toBe(session.sid)
  if (verdict.kind === 'refused') {
    await expectRefused(answer, verdict.code, via)
    return null
  }
  if (verdict.kind === 'nothing new') {
    expect([answer.status, await answer.text(), answer.headers.getSetCookie()]).toEqual([200, '', []])
    return null
  }
  const tokens = await readTokens(answer, via, model, session.account, session.boundBy)
  // The next refresh of a browser is one request.
  if (via === 'device') expect(challengeOf(answer).id).toBe(session.sid)
  keepChallenge(tokens.refresh, answer)
  if (verdict.kind === 'same') {
    expect(tokens.refresh).toBe(verdict.pair.refresh)
    const { header, payload } = decodeToken(verdict.pair.access)
    // One that is healed by proof begins anew.
    const accessFrom = session.boundBy === null ? verdict.pair.accessFrom : model.now
    const exp = accessExpiry({ ...verdict.pair, accessFrom })
    expect(decodeToken(tokens.access)).toEqual({ header, payload: { ...payload, iat: accessFrom, exp } })
    return session.boundBy === null ? verdict.pair : { ...verdict.pair, access: tokens.access, accessFrom }
  }
  const isVisit = model.isVisit(session, pair, place)
  const next = readNewPair(model, session.account, tokens, model.placeAfter(session, pair, place), session)
  model.rotated(session, next, place, isVisit)
  return next
}

/** The whole answer of a refusal. */
export async function expectRefused(answer: Response, code: Code, via: Via): Promise<void> {
  const [status, title, detail] = PROBLEMS[code]
  const body = via === 'GET' ? detail : { type: typeOf(code), title, status, detail, code }
  const text = await answer.text()
  expect([answer.status, via === 'GET' ? text : JSON.parse(text)]).toEqual([status, body])
  expect(answer.headers.getSetCookie()).toEqual([])
}

export async function expectEmpty(answer: Response): Promise<void> {
  expect([answer.status, await answer.text()]).toEqual([204, ''])
}

/** The tokens of a 200, whose every other part is as it must be. */
export async function readTokens(
  answer: Response,
  via: Via,
  model: SessionModel,
  account: ModelAccount,
  boundBy: Binding | null = null,
): Promise<Tokens> {
  if (via === 'json') {
    const { access, refresh, user_id, ...rest } = (await answer.json()) as Tokens & { user_id: number }
    const bound = boundBy === 'dpop' ? { token_type: 'DPoP' } : {}
    expect([answer.status, rest]).toEqual([200, { email: account.email, group: 'user', ...bound }])
    expect(account.id ?? user_id).toBe(user_id)
    account.id = user_id
    return { access, refresh }
  }
  // A browser is told again what its registration said.
  const body = await answer.text()
  expect([answer.status, body !== '']).toEqual([200, via === 'device'])
  const { access_token, refresh_token } = pairOf(answer)
  account.id ??= Number(decodeToken(refresh_token).payload['id'])
  const ageOf = (token: string) => `Max-Age=${Number(decodeToken(token).payload['exp']) - model.now}`
  const cookies = Object.entries(setCookies(answer)).map(([name, { attributes }]) => [name, attributes[0]])
  expect(cookies).toEqual([
    // By its end, a browser sees that it has to prove its key.
    ['access_token', ageOf(boundBy === 'dbsc' ? access_token : refresh_token)],
    ['refresh_token', ageOf(refresh_token)],
  ])
  return { access: access_token, refresh: refresh_token }
}

/** A pair that nobody had before, claim by claim. */
export function readNewPair(
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
  const pair = { jti, access, refresh, issuedAt: now, accessFrom: now, expiresAt, place }
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
export async function expectRows(model: SessionModel, { links }: World): Promise<void> {
  const ofAccounts = 'JOIN users u ON u.id = user_id WHERE u.guid IN (?, ?)'
  const guids = model.accounts.map(({ guid }) => guid)
  const select = (sql: string) => env.DB.prepare(sql).bind(...guids)
  const [sessions, mails, places] = await env.DB.batch([
    select(
      `SELECT sid, u.guid, jti, previous_jti, issued_at, rotated_at, expires_at, s.created_at, revoked_at,
       revoked_reason, ip, asn, country, visit_ip, bound_key, bound_by, ended_before, ended_except FROM sessions s ${ofAccounts} ORDER BY sid`,
    ),
    select(
      `SELECT kind, recipient, dedupe_key, n.created_at, attempts, sent_at, failed_at, last_error,
       (SELECT json_group_object(purpose, used_at) FROM used_links WHERE notice_id = n.id) AS used
       FROM notifications n ${ofAccounts} ORDER BY dedupe_key`,
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
      bound_key: session.boundBy === null ? null : keyOf(session.boundBy).row,
      bound_by: session.boundBy,
      ended_before: session.account.endedBefore,
      ended_except: session.account.endedExcept?.sid ?? null,
    })),
  )
  const stored = mails?.results as readonly { readonly used: string }[] | undefined
  expect(stored?.map((row) => ({ ...row, used: JSON.parse(row.used) as unknown }))).toEqual(
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
        used: Object.fromEntries(Object.entries(usedAt).filter(([, moment]) => moment !== null)),
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

export function causesOf(verdict: Verdict): readonly string[] {
  if (verdict.kind === 'same') return ['replayed']
  const isSaid = verdict.kind === 'refused' && (verdict.cause === 'no access token' || verdict.cause === 'first half')
  return verdict.kind === 'refused' && !isSaid ? [verdict.cause] : []
}

export function loggedCauses(): readonly unknown[] {
  return (logged as { event: string; cause?: unknown }[])
    .filter(({ event }) => event === 'refused' || event === 'refreshed')
    .map(({ cause }) => cause)
}

interface Held {
  readonly session: ModelSession
  readonly pair: ModelPair
}

/** A pair that a holder of the session has: the newest one, its live one's predecessor, or one before that. */
export function findPair(model: SessionModel, target: number, which: Which): Held | null {
  const session = pick(model.known, target)
  const pair = {
    newest: session.held.at(-1),
    predecessor: session.held.find(({ jti }) => jti === session.previousJti),
    older: session.held.find(({ jti }) => jti !== session.previousJti && jti !== session.live.jti),
  }[which]
  return pair === undefined ? null : { session, pair }
}

/** Whoever has a token of the session; `age` 0 is the newest. */
export function holder(model: SessionModel, target: number, age = 0): Held | null {
  const session = pick(model.known, target)
  const pair = session.held.at(-1 - (age % Math.max(1, session.held.length)))
  return pair === undefined ? null : { session, pair }
}

export function found<T>(it: T | null): T {
  if (it === null) throw new Error('the precondition does not hold')
  return it
}

export function pick<T>(items: readonly T[], n: number): T {
  const item = items[n % items.length]
  if (item === undefined) throw new Error('nothing to pick from')
  return item
}

export function range(length: number): readonly number[] {
  return Array.from({ length }, (_, i) => i)
}

export function viaOf(i: number): Via {
  return (['json', 'GET', 'POST'] as const)[i % 3] ?? 'json'
}

export function addressOf({ ip, canonical }: Place): string {
  return canonical ?? ip
}

export function bySid(a: { readonly sid: string }, b: { readonly sid: string }): number {
  return a.sid < b.sid ? -1 : 1
}
