/**
 * What can happen in a history: each command says when it may be run, runs it against the Worker, and holds every answer
 * against the model.
 */

import { env } from 'cloudflare:workers'
import * as fc from 'fast-check'
import { expect } from 'vitest'

import { PASSWORD } from './accounts.ts'
import { offerOf, register as sendRegistration, signChallenge } from './dbsc.ts'
import { decodeToken } from './forge.ts'
import { clientOf, keyOf, type NewProof, proofHeaders } from './model-proofs.ts'
import {
  answerFits,
  answerOf,
  answerTo,
  bySid,
  call,
  callAs,
  callRefresh,
  causesOf,
  type Command,
  command,
  expectEmpty,
  expectRefused,
  expectVerdict,
  findPair,
  found,
  holder,
  introspect,
  LINK_PATHS,
  logged,
  loggedCauses,
  passSeconds,
  pick,
  prove,
  provenAfterAsking,
  range,
  reached,
  readNewPair,
  readTokens,
  viaOf,
  type Which,
  type World,
  addressOf,
} from './model-world.ts'
import {
  accessExpiry,
  type Binding,
  type LinkPurpose,
  type ModelPair,
  type ModelSession,
  type PlaceName,
  PLACES,
  type SessionModel,
  type Settings,
  type Via,
} from './session-model.ts'
import { purgeAll } from './purge.ts'
import { ORIGIN, setCookies } from './worker.ts'

export function commands(): fc.Arbitrary<Command>[] {
  const index = fc.nat({ max: 7 })
  const via = fc.constantFrom<Via>('json', 'GET', 'POST', 'bare', 'device', 'device')
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
  const proof = fc.constantFrom<NewProof>('none', 'own', 'own', 'other')
  const once = (what: Which, isLost: fc.Arbitrary<boolean>) =>
    fc.tuple(pause, index, fc.constant(what), usually, via, isLost, proof).map((args) => present(...args))
  const [refresh, replay, reuse] = [
    once('newest', fc.boolean()),
    once('predecessor', fc.constant(false)),
    once('older', fc.constant(false)),
  ]
  const atOnce = fc
    .tuple(pause, index, which, usually, fc.integer({ min: 2, max: 8 }), proof)
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
    fc.tuple(index, fc.constantFrom<Binding>('dpop', 'dbsc')).map((args) => bind(...args)),
    fc.tuple(index, index, fc.constantFrom<'own' | 'other'>('own', 'own', 'other')).map((args) => register(...args)),
    fc
      .tuple(pause, index, anywhere, fc.constantFrom<'same' | 'newest'>('same', 'newest'))
      .map((args) => copyRequest(...args)),
    fc.tuple(index, anywhere).map((args) => presentKeyAlone(...args)),
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
export function signIn(
  account: number,
  from: PlaceName,
  how: 'guid' | 'password' | 'proof',
  cookie: number | null = null,
): Command {
  return command(`signIn(${account}, ${from}, ${how}${cookie === null ? '' : `, with the cookie of ${cookie}`})`, {
    async run(model, world) {
      const carried = cookie === null || model.known.length === 0 ? null : holder(model, cookie, cookie)
      const cookies = carried === null ? {} : { access_token: carried.pair.access }
      const owner = pick(model.accounts, account)
      const place = PLACES[from]
      const isByPassword = how !== 'guid' && owner.email !== null
      const boundBy: Binding | null = how === 'proof' && isByPassword ? 'dpop' : null
      const proving = { boundBy, challenge: '', path: '/auth/token' }
      const headers = await proofHeaders(boundBy === null ? 'none' : 'own', 'json', proving)
      const response = isByPassword
        ? await call(world, '/auth/token', place, { json: { primary_email: owner.email, password: PASSWORD }, headers })
        : await call(world, `/${owner.guid}`, place, { cookies })
      const via = isByPassword ? 'json' : 'GET'
      // A guid that nobody has seen becomes an account; nobody deactivated it yet.
      if (!owner.isActive && owner.id !== null) return expectRefused(response, 'no_active_account', via)
      owner.isActive = true
      const tokens = await readTokens(response, via, model, owner, boundBy)
      const pair = readNewPair(model, owner, tokens, place, null)
      const replaced = carried === null || isByPassword ? [] : [carried.session]
      // Browsers alone are offered to bind their session.
      const { path, challenge } = offerOf(response)
      expect(path).toBe(isByPassword ? '' : '/auth/device')
      const sid = String(decodeToken(tokens.refresh).payload['sid'])
      const session = model.opened(owner, sid, pair, { replaced, boundBy, challenge: challenge || null })
      session.held.push(pair)
      if (isByPassword) model.signedIn(session)
    },
  })
}

/** Presents one pair once, with a new proof or none. When the answer is lost, nobody gets what it held. */
export function present(
  pause: number,
  target: number,
  which: Which,
  from: PlaceName,
  via: Via,
  isLost: boolean,
  proof: NewProof = 'none',
): Command {
  const find = (model: SessionModel) => findPair(model, target, which)
  const how = `${via}, proves ${proof}${isLost ? ', answer lost' : ''}`
  return command(`present(after ${pause} s, ${target}, ${which}, ${from}, ${how})`, {
    check: (model) => find(model) !== null,
    async run(model, world) {
      const { session, pair } = found(find(model))
      const place = PLACES[from]
      passSeconds(model, pause)
      const presented = { model, session, pair, place }
      const { headers, proven } = await prove(world, presented, via, proof)
      const verdict = model.present(session, pair, place, via, proven)
      logged.length = 0
      const response = await callRefresh(world, presented, via, headers)
      const next = await expectVerdict(response, verdict, via, presented)
      expect(loggedCauses()).toEqual(causesOf(verdict))
      if (next !== null && !isLost && !session.held.includes(next)) session.held.push(next)
      if (verdict.kind === 'next')
        session.lastProof = session.boundBy === null ? null : { via, pair, headers, isKept: proven === 'kept' }
    },
  })
}

/**
 * Whoever has a copy of the last refresh by proof sends it again, within the minute for which DPoP proofs are good: as it was, or with the
 * token that came of it.
 */
export function copyRequest(
  pause: number,
  target: number,
  from: PlaceName,
  token: 'same' | 'newest' = 'same',
): Command {
  return command(`copyRequest(after ${pause} s, ${target}, ${from}, ${token} token)`, {
    check(model) {
      const { lastProof, rotatedAt } = pick(model.known, target)
      return lastProof !== null && (lastProof.isKept || model.now + pause - (rotatedAt ?? 0) < 60)
    },
    async run(model, world) {
      const session = pick(model.known, target)
      const { via, headers, ...last } = found(session.lastProof)
      const pair = token === 'same' ? last.pair : found(findPair(model, target, 'newest')).pair
      passSeconds(model, pause)
      const presented = { model, session, pair, place: PLACES[from] }
      const verdict = model.present(session, pair, presented.place, via, 'copy')
      logged.length = 0
      await expectVerdict(await callRefresh(world, presented, via, headers), verdict, via, presented)
      expect(loggedCauses()).toEqual(causesOf(verdict))
    },
  })
}

/** Whoever has the key of a session, and none of its tokens, has nothing to present. */
export function presentKeyAlone(target: number, from: PlaceName): Command {
  return command(`presentKeyAlone(${target}, ${from})`, {
    check: (model) => model.known.length > 0,
    async run(model, world) {
      const { sid, boundBy, offer } = pick(model.known, target)
      const proof = await signChallenge(clientOf(boundBy, 'own'), offer?.challenge ?? '')
      const headers = { 'Secure-Session-Response': proof, 'Sec-Secure-Session-Id': `"${sid}"` }
      const answer = await call(world, '/refresh/device', PLACES[from], { method: 'POST', headers })
      expect([answer.status, await answer.json(), answer.headers.getSetCookie()]).toMatchObject([
        401,
        { code: 'token_missing', detail: 'Refresh token is missing' },
        [],
      ])
    },
  })
}

/** N requests with one pair, all under way at once, over all transports; with a proof, over the one that takes it. */
function presentAtOnce(
  pause: number,
  target: number,
  which: Which,
  from: PlaceName,
  callers: number,
  proof: NewProof,
): Command {
  const find = (model: SessionModel) => findPair(model, target, which)
  return command(
    `presentAtOnce(after ${pause} s, ${target}, ${which}, ${from}, ${callers} callers, proving ${proof})`,
    {
      check: (model) => find(model) !== null,
      async run(model, world) {
        const { session, pair } = found(find(model))
        const place = PLACES[from]
        passSeconds(model, pause)
        const presented = { model, session, pair, place }
        // Of a session that a browser has bound, the answer depends on the transport.
        const only = session.boundBy === 'dbsc' ? (proof === 'none' ? 'POST' : 'device') : 'json'
        const viaOfCaller = (i: number) => (proof === 'none' && session.boundBy !== 'dbsc' ? viaOf(i) : only)
        const judge = (via: Via) => model.present(session, pair, place, via, provenAfterAsking(presented, via, proof))
        const answers = await Promise.all(range(callers).map((i) => answerTo(world, presented, viaOfCaller(i), proof)))
        const verdict = judge(viaOfCaller(0))
        const winner = answers.find((answer) => answerFits(answer, verdict))
        const via = winner?.via ?? 'GET'
        const next = await expectVerdict(answerOf(winner, verdict, answers), verdict, via, presented)
        if (next !== null && !session.held.includes(next)) session.held.push(next)
        // Nobody knows whose proof it was.
        if (verdict.kind === 'next') session.lastProof = null
        for (const answer of answers.filter((one) => one !== winner)) {
          const wasEndedMeanwhile = verdict.kind === 'refused' && verdict.code === 'no_active_account'
          const later = judge(answer.via)
          // Whoever read the row before the first of them ended its session is told what the first is told.
          const expected = wasEndedMeanwhile && answerFits(answer, verdict) ? verdict : later
          await expectVerdict(answer.response, expected, answer.via, presented)
        }
      },
    },
  )
}

/** The owner, in place, and a stranger who is not, present the live pair at once. Either was first: nobody forks it. */
export function tugOfWar(target: number, ownersPlace: PlaceName, strangersPlace: PlaceName, each: number): Command {
  return command(`tugOfWar(${target}, ${ownersPlace}, ${strangersPlace}, ${each} each)`, {
    check(model) {
      const it = findPair(model, target, 'newest')
      if (it === null || it.pair.jti !== it.session.live.jti || model.isOver(it.session)) return false
      if (it.session.boundBy !== null) return false
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
          return { place, ...(await answerTo(world, { session, pair, place }, viaOf(i >> 1))) }
        }),
      )
      const firstPlace = PLACES[answers.some((answer) => answer.status === 200) ? ownersPlace : strangersPlace]
      const verdict = model.present(session, pair, firstPlace, 'json')
      const first = answers.find((answer) => answer.place === firstPlace && answerFits(answer, verdict))
      const context = { model, session, pair, place: firstPlace }
      const next = await expectVerdict(answerOf(first, verdict, answers), verdict, first?.via ?? 'GET', context)
      if (verdict.kind === 'next') session.lastProof = null
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
        await expectVerdict(response, model.present(session, pair, place, via), via, { model, session, pair, place })
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
export function revoke(target: number, age: number, type: TokenType): Command {
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

export function signOut(target: number, age: number): Command {
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

export function endOne(target: number, other: number): Command {
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

export function endOthers(target: number): Command {
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

/** A session is bound, as a sign-in with a proof or a registration would have bound it, which take their time: see the stories. */
export function bind(target: number, by: Binding): Command {
  return command(`bind(${target}, ${by})`, {
    check: (model) => unboundOf(model).length > 0,
    async run(model) {
      const session = pick(unboundOf(model), target)
      const update = env.DB.prepare('UPDATE sessions SET bound_key = ?, bound_by = ? WHERE sid = ?')
      await update.bind(keyOf(by).row, by, session.sid).run()
      session.boundBy = by
    },
  })
}

function unboundOf({ sessions }: SessionModel): readonly ModelSession[] {
  return sessions.filter(({ boundBy }) => boundBy === null)
}

/** The browser of a session takes the offer of its sign-in; or somebody who has both, with another key, after it was bound. */
export function register(target: number, age: number, key: 'own' | 'other' = 'own'): Command {
  return command(`register(${target}, ${age}, ${key})`, {
    check(model) {
      const it = holder(model, target)
      return it !== null && it.session.offer !== null && (key === 'own' || it.session.boundBy !== null)
    },
    async run(model, world) {
      const { session, pair } = found(holder(model, target, age))
      const client = clientOf('dbsc', key)
      const proof = await signChallenge(client, session.offer?.challenge ?? '', { jwk: client.jwk })
      const answer = await sendRegistration(world.worker(), { access_token: pair.access }, proof)
      const refusal = model.register(session, pair, key)
      reached.verdicts.add(refusal === null ? 'bound' : `not bound: ${refusal}`)
      if (refusal !== null) return expectRefused(answer, refusal, 'json')
      expect([answer.status, await answer.json()]).toMatchObject([
        200,
        { session_identifier: session.sid, refresh_url: '/refresh/device' },
      ])
      const cookies = Object.entries(setCookies(answer)).map(([name, { value, attributes }]) => [
        name,
        value,
        attributes[0],
      ])
      expect(cookies).toEqual([['access_token', pair.access, `Max-Age=${accessExpiry(pair) - model.now}`]])
    },
  })
}

/** Looks at a session from all sides: me, list, introspection of both tokens. Changes nothing. */
export function look(target: number, age: number): Command {
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
              bound: one.boundBy,
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
    iat: type === 'access' ? pair.accessFrom : pair.issuedAt,
    jti: pair.jti,
    sid: session.sid,
    user_id: id,
    group: 'user',
    username: email,
    ...(session.boundBy !== null && { cnf: { jkt: keyOf(session.boundBy).thumbprint } }),
  }
}

/** Presses the button behind a link of any mail that the owner ever got. */
export function pressLink(mail: number, purpose: LinkPurpose, page = purpose, isFormerToo = false): Command {
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
      // Where it did something, the page that says so has an address of its own.
      const title = { token_used: 'This link was used already', other: 'This link does not work' }
      const expected = refusal === null ? [303, undefined] : [401, title[refusal === 'token_used' ? refusal : 'other']]
      expect([answer.status, /<h1>(.*)<\/h1>/.exec(await answer.text())?.[1]]).toEqual(expected)
    },
  })
}

export function advance(seconds: number): Command {
  return command(`advance(${seconds} s)`, {
    async run(model) {
      passSeconds(model, seconds)
    },
  })
}

export function setActive(account: number, isActive: boolean): Command {
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
export function deploy(settings: Settings): Command {
  return command(`deploy(${settings.policy}, ${settings.reuseSeconds} s)`, {
    async run(model, world) {
      model.settings = settings
      world.settings = settings
    },
  })
}

export function cron(): Command {
  return command('cron()', {
    async run(model, world) {
      await world.worker().scheduled()
      await purgeAll()
      model.purge()
    },
  })
}
