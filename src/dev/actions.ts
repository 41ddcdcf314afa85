/**
 * The actions behind the buttons of the playground. The first four send a real request to the Worker, and the page shows it with
 * its answer. The last three end a session, or change the place and the clock of this run.
 *
 * - POST /dev/sign-in, /dev/open, /dev/sign-out
 * - POST /refresh/dev   a browser sends the cookie of the refresh token below `/refresh` only
 * - POST /dev/sessions/end
 * - POST /dev/place, /dev/clock
 */

import { Hono } from 'hono'
import * as z from 'zod/mini'

import { Guid } from '../domain/tokens/claims.ts'
import { parseToken } from '../domain/tokens/tokens.ts'
import { TesseraError } from '../errors.ts'
import { cookieValues } from '../http/request/cookies.ts'
import { writeDown } from './exchange.ts'
import { isSameOrigin } from './local.ts'
import { comeFrom, type IncomingRequest, PlaceId, type Where } from './places.ts'
import type { CookiePair } from './run.ts'
import { basePathOf, type PlaygroundContext, type PlaygroundEnv } from './workbench.ts'

const SignIn = z.object({ primary_email: z.string(), password: z.string() })
const Open = z.object({ guid: Guid })
const Refresh = z.object({ how: z.enum(['refresh', 'again', 'steal']) })
const End = z.object({ sid: z.string() })
const Go = z.object({ place: PlaceId })
/** Seconds to add to the clock of this run; `now` sets it back to that of this machine. */
const Travel = z.object({ ahead: z.enum(['360', '86400', '950400', 'now']) })

interface Ask {
  readonly title: string
  readonly method: string
  readonly path: string
  readonly cookie?: string
  readonly body?: string
  /** The place that the request comes from, where it is not that of this run. */
  readonly where?: Where
  /** Whether this browser gets the cookies of the answer. */
  readonly keepCookies: boolean
}

export const actions = new Hono<PlaygroundEnv>()
  .use(async (c, next) => {
    if (c.req.method !== 'POST' || isSameOrigin(c.req.raw)) return next()
    return c.text('Only pages of this origin may do this.', 403)
  })
  .post('/dev/sign-in', async (c) => {
    const credentials = await fields(c, SignIn)
    return ask(c, {
      title: `Sign in as ${credentials.primary_email}`,
      method: 'POST',
      path: '/auth/session',
      body: JSON.stringify(credentials),
      keepCookies: true,
    })
  })
  .post('/dev/open', async (c) => {
    const { guid } = await fields(c, Open)
    return ask(c, { title: `Open a session for ${guid}`, method: 'GET', path: `/${guid}`, keepCookies: true })
  })
  .post('/dev/sign-out', (c) =>
    ask(c, { title: 'Sign out', method: 'DELETE', path: '/auth/session', cookie: heldCookies(c), keepCookies: true }),
  )
  .post('/refresh/dev', async (c) => {
    const { how } = await fields(c, Refresh)
    const common = { method: 'GET', path: '/refresh', cookie: heldCookies(c) }
    if (how === 'refresh') return ask(c, { ...common, title: 'Refresh', keepCookies: true })
    if (how === 'steal') {
      return ask(c, { ...common, title: 'Use the pair from elsewhere', where: 'thief', keepCookies: false })
    }
    const title = 'Present the previous pair again'
    const previous = previousPair(c)
    if (previous !== null) return ask(c, { ...common, title, cookie: cookieHeader(previous), keepCookies: false })
    c.env.run.last = { title: `${title}: there is none yet, refresh first`, exchange: null, events: [] }
    return c.redirect('/dev#browser', 303)
  })
  .post('/dev/sessions/end', async (c) => {
    const { sid } = await fields(c, End)
    const { runtime, now, run } = c.env
    if (runtime instanceof Error) throw runtime
    const { sessions } = runtime.services
    const found = await sessions.find(sid)
    if (found === null) throw new TesseraError('not_found')
    // A deleted account has no guid, and then none is compared.
    const { userId, guid } = found.session
    await sessions.end({
      sid,
      userId,
      guid: guid ?? '',
      onlyWhileJti: null,
      reason: 'revoked',
      now: now(),
      notice: null,
    })
    run.last = { title: `Ended session ${sid}`, exchange: null, events: [] }
    return c.redirect('/dev#sessions', 303)
  })
  .post('/dev/place', async (c) => {
    c.env.run.place = (await fields(c, Go)).place
    return c.redirect('/dev', 303)
  })
  .post('/dev/clock', async (c) => {
    const { run, runCron } = c.env
    const { ahead } = await fields(c, Travel)
    run.aheadSeconds = ahead === 'now' ? 0 : run.aheadSeconds + Number(ahead)
    // The cron trigger would have run in the meantime. Where it fails, the database cannot be read, and the page says so.
    await runCron().catch(() => undefined)
    return c.redirect('/dev', 303)
  })

async function ask(c: PlaygroundContext, { title, method, path, cookie, body, where, keepCookies }: Ask) {
  const { run, answer } = c.env
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `index.ts` hands Hono such a request, and Hono types it as any `Request`
  const raw = c.req.raw as IncomingRequest
  const headers = new Headers()
  for (const name of ['CF-Connecting-IP', 'User-Agent']) {
    const value = raw.headers.get(name)
    if (value !== null) headers.set(name, value)
  }
  if (body !== undefined) headers.set('Content-Type', 'application/json')
  if (cookie) headers.set('Cookie', cookie)
  const init = { method, headers, ...(raw.cf && { cf: raw.cf }), ...(body !== undefined && { body }) }
  const request = comeFrom(where ?? run.place, new Request(new URL(`${basePathOf(c.env)}${path}`, raw.url), init))
  const newest = run.events.at(-1)
  const response = await answer(request)
  const exchange = writeDown(request, body ?? '', response, await response.text())
  run.last = { title, exchange, events: run.events.slice(newest === undefined ? 0 : run.events.indexOf(newest) + 1) }

  if (keepCookies) for (const line of response.headers.getSetCookie()) c.header('Set-Cookie', line, { append: true })
  return c.redirect('/dev#browser', 303)
}

/** The cookies of Tessera alone: a browser sends those of other servers on this machine, too, whatever their port. */
function heldCookies(c: PlaygroundContext): string {
  const header = c.req.header('Cookie') ?? ''
  const names = ['access_token', 'refresh_token']
  return names.flatMap((name) => cookieValues(header, name).map((value) => `${name}=${value}`)).join('; ')
}

function cookieHeader({ access, refresh }: CookiePair): string {
  return `access_token=${access}; refresh_token=${refresh}`
}

/** The pair before the one in this browser. Its access token is not verified here, since the Worker does that. */
function previousPair(c: PlaygroundContext): CookiePair | null {
  const [access] = cookieValues(c.req.header('Cookie') ?? '', 'access_token')
  const sid = access === undefined ? null : parseToken(access).payload['sid']
  return typeof sid === 'string' ? (c.env.run.pairs.get(sid)?.previous ?? null) : null
}

/** Throws `wrong_data_structure`. */
async function fields<Schema extends z.ZodMiniType>(c: PlaygroundContext, schema: Schema): Promise<z.output<Schema>> {
  const parsed = schema.safeParse(await c.req.parseBody())
  if (!parsed.success)
    throw new TesseraError('wrong_data_structure', { cause: new Error(z.prettifyError(parsed.error)) })
  return parsed.data
}
