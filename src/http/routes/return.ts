/**
 * GET /refresh?to=…: the next pair in cookies, and on to `to` by 303, so that a server that renders pages never has to write a
 * cookie: it redirects where the access token is over. Loaded when it is met, and its pages with the first of them.
 */

import type { Context } from 'hono'

import { BLOCKED, PAGE_PATHS } from '../../domain/page-paths.ts'
import { isSignInAddress, signInAddress } from '../../domain/return-address.ts'
import { refreshPair } from '../../domain/sessions/refresh.ts'
import { type PresentedPair, readToken } from '../../domain/tokens/tokens.ts'
import { TesseraError } from '../../errors.ts'
import { logRefusal } from '../../log-refusal.ts'
import type { Html, PageContext } from '../../pages/layout.ts'
import type * as Pages from '../../pages/return-pages.ts'
import { pageContext } from '../answer/page-context.ts'
import { readPairOrAsk } from '../answer/pair.ts'
import { createNonce, setPageHeaders } from '../answer/page-headers.ts'
import { toTesseraError, wantsPage } from '../answer/problem.ts'
import type { AppEnv } from '../factory.ts'
import { isNavigation } from '../guards/same-origin.ts'
import { ownOrigin, readCaller } from '../request/caller.ts'
import { writePair } from '../request/cookies.ts'
import { readReturns, requireReturnAddress, RETURN_SECONDS, writeReturns } from '../request/returns.ts'

/** The parameter of a request that our own page made out of one that came from another site. */
const RELOADED = 'again'
/** The return at which a browser is not sent on any more. */
const RETURNS_MAX = 3
/** The same for reloaded requests: several tabs with one deep link look like a loop, and rotate once all together. */
const RELOADED_MAX = 6

/**
 * Answers a refresh that asks to be sent on. Throws `wrong_data_structure` for an address that `readReturnAddress` does not take, before
 * anything else is looked at, and as `refreshPair` does.
 */
export async function refreshAndReturn(c: Context<AppEnv>): Promise<Response> {
  const to = readTo(c)
  try {
    return await returnTo(c, to)
  } catch (thrown) {
    return refuse(c, to, thrown)
  }
}

async function returnTo(c: Context<AppEnv>, to: string): Promise<Response> {
  const isReloaded = c.req.query(RELOADED) !== undefined
  const presented = await readPairOrNull(c, isReloaded)
  if (presented === null) return showWaitPage(c, 0, `?to=${encodeURIComponent(to)}&${RELOADED}=1`)
  const caller = await readCaller(c)

  const before = readReturns(c, to)
  const isJustIssued = (isReloaded || before > 0) && (await wasJustIssued(c, presented.access))
  const count = isJustIssued ? before + 1 : 1
  if (isJustIssued && count >= (isReloaded ? RELOADED_MAX : RETURNS_MAX)) return showLoopPage(c, to)
  // Another tab that was opened by the same link has rotated meanwhile, and its pair is in the cookies.
  if (isJustIssued && isReloaded) return sendOn(c, to, count)

  const pair = await refreshPair(c.env, presented, caller)
  if (pair !== null) {
    writePair(c, pair)
    return sendOn(c, to, count)
  }
  // The browser of a bound session keeps its access token fresh by itself, so its age tells nothing of a loop.
  if (before + 1 >= (isReloaded ? RELOADED_MAX : RETURNS_MAX)) return showLoopPage(c, to)
  return sendOn(c, to, before + 1)
}

/** The address to return to. Throws `wrong_data_structure` where it is not allowed, or there are two. */
function readTo(c: Context<AppEnv>): string {
  const [text = '', ...others] = c.req.queries('to') ?? []
  if (others.length > 0) throw new TesseraError('wrong_data_structure', { cause: 'return address' })
  return requireReturnAddress(c, text)
}

/**
 * The pair of a request that may rotate it, or `null` where another site led here: with its requests Strict cookies are not sent, and
 * where they are None, its page could close the window before the answer is in, and so burn the pair. Our own page, which that window
 * gets first, takes it out of reach. Throws as `readPairOrAsk` does, and `forbidden` where another site pretends to be that page.
 */
async function readPairOrNull(c: Context<AppEnv>, isReloaded: boolean): Promise<PresentedPair | null> {
  // The fetch of a listed page is none of this: it asks by itself, and reads the answer.
  const isLedHere = c.req.header('Sec-Fetch-Site') === 'cross-site' && isNavigation(c)
  if (isLedHere && !isReloaded) return null
  const presented = await readPairOrAsk(c)
  if (isLedHere) throw new TesseraError('forbidden', { cause: 'cross-origin' })
  return presented
}

/** Whether an access token is good, and some seconds old at most. */
async function wasJustIssued(c: Context<AppEnv>, access: string): Promise<boolean> {
  const now = c.env.now()
  try {
    const { iat } = await readToken(c.env.tokens, 'access', access, now)
    return now - iat < RETURN_SECONDS
  } catch (error) {
    if (error instanceof TesseraError) return false
    throw error
  }
}

function sendOn(c: Context<AppEnv>, to: string, count: number): Response {
  writeReturns(c, to, count)
  return c.redirect(to, 303)
}

/**
 * Has a browser wait whose next try may be good; sends one whose cookies are no good to where it can sign in, if there is such a place; trouble
 * of ours is no reason to sign in, and is a page for people. Throws every other refusal on, to be answered as it is without `to`.
 */
async function refuse(c: Context<AppEnv>, to: string, thrown: unknown): Promise<Response> {
  const before = readReturns(c, to)
  if (thrown instanceof TesseraError && before < RETURNS_MAX - 1 && isOfTheMoment(c, thrown)) {
    logRefusal(c.env.log, thrown, () => c.req.routePath)
    writeReturns(c, to, before + 1)
    return showWaitPage(c, 1, to)
  }
  const signInUrl = signInPlace(c, to)
  const isTrouble = !(thrown instanceof TesseraError) || thrown.status >= 500
  if (isTrouble && wantsPage(c)) {
    const { status } = toTesseraError(thrown, c)
    return showPage(c, status, (pages, context) => pages.renderTroublePage(`?to=${encodeURIComponent(to)}`, context))
  }
  // A client that cannot be read is a 400, too, and no sign-in would help.
  const isOfClient = !isTrouble && (thrown.code === 'client_not_valid' || thrown.cause === 'CF-Connecting-IP')
  const isOfCookies = !isTrouble && ([400, 401].includes(thrown.status) || needsProof(thrown)) && !isOfClient
  if (!isOfCookies || signInUrl === undefined) throw thrown
  if (isSignInAddress(signInUrl, to, ownOrigin(c))) return showSignInLoopPage(c, thrown)
  logRefusal(c.env.log, thrown, () => c.req.routePath)
  const address = signInAddress(signInUrl, to, ownOrigin(c))
  // The page here says what happened; others may not know that parameter.
  const isBlocked = thrown.code === 'location_blocked' && address.startsWith(`${ownSignIn(c)}?`)
  return c.redirect(isBlocked ? `${address}&done=${BLOCKED}` : address, 303)
}

/**
 * Whether another tab has just rotated, whose answer brings the cookies; or a browser has not proven its key this time, since it waited in vain
 * for our answer to that. Where that answer got lost, or the key is gone, waiting again does not help.
 */
function isOfTheMoment(c: Context<AppEnv>, refusal: TesseraError): boolean {
  return refusal.cause === 'race' || (needsProof(refusal) && isNavigation(c))
}

function needsProof({ code }: TesseraError): boolean {
  return code === 'device_proof_required'
}

/** Where people sign in: `SIGN_IN_URL`, and without it the page for it here, for whoever wants to a page of their account. */
function signInPlace(c: Context<AppEnv>, to: string): string | undefined {
  const { signInUrl, basePath } = c.env.settings
  const { origin, pathname } = new URL(to, ownOrigin(c))
  const account = `${basePath}${PAGE_PATHS.account}`
  const isOwn = origin === ownOrigin(c) && (pathname === account || pathname.startsWith(`${account}/`))
  return signInUrl ?? (isOwn ? ownSignIn(c) : undefined)
}

/** The path of the page here to sign in on. */
function ownSignIn({ env }: Context<AppEnv>): string {
  return `${env.settings.basePath}${PAGE_PATHS.sign_in}`
}

function showWaitPage(c: Context<AppEnv>, seconds: number, href: string): Promise<Response> {
  return showPage(c, 200, (pages, context) => pages.renderWaitPage({ seconds, href }, context))
}

/** Waiting helps: ten seconds later, the next return is the first one. */
function showLoopPage(c: Context<AppEnv>, to: string): Promise<Response> {
  const loop = new TesseraError('too_many_requests', { cause: 'return loop', retryAfterSeconds: RETURN_SECONDS })
  const { status } = toTesseraError(loop, c)
  const hosts = { own: new URL(ownOrigin(c)).host, other: new URL(to, ownOrigin(c)).host }
  return showPage(c, status, (pages, context) => pages.renderLoopPage(to, hosts, context))
}

/** A page for people; for others the refusal as it is without `to`. */
function showSignInLoopPage(c: Context<AppEnv>, refusal: TesseraError): Promise<Response> {
  if (!wantsPage(c)) throw refusal
  const { status } = toTesseraError(refusal, c)
  return showPage(c, status, (pages, context) => pages.renderSignInLoopPage(context))
}

async function showPage(
  c: Context<AppEnv>,
  status: 200 | TesseraError['status'],
  render: (pages: typeof Pages, context: PageContext) => Html,
): Promise<Response> {
  const nonce = createNonce()
  const [pages, context] = await Promise.all([import('../../pages/return-pages.ts'), pageContext(c, nonce)])
  const page = await c.html(render(pages, context), status)
  setPageHeaders(page.headers, nonce, c.env.settings)
  return page
}
