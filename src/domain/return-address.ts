/**
 * Where a browser may be sent on to. An address that others choose must not make this deployment send people to a site of theirs
 * (CWE-601), and parsers read odd addresses differently: only addresses that are written as browsers write them are taken.
 */

/** What the longest addresses of everyday life keep below, and no header or query is too small for. */
const MAX_ADDRESS_LENGTH = 2048

interface ReturnRules {
  /** The origin of this deployment: paths are below it. */
  readonly origin: string
  /** Other origins that may be returned to, as browsers write them (RFC 6454 section 6.1). */
  readonly returnOrigins: readonly string[]
}

/**
 * The address that a text names, serialised as the URL Standard has it: a path of this deployment's host, which stays a path, or a
 * URL of one of the origins. `null` for every other text.
 */
export function readReturnAddress(text: string, { origin, returnOrigins }: ReturnRules): string | null {
  // The parser drops tabs and line breaks, and spaces at both ends, so that what it reads is not what was written.
  if (text.length > MAX_ADDRESS_LENGTH || /[^!-~\u0080-\uffff]/.test(text)) return null
  const address = isPath(text) ? readPath(text, origin) : readUrl(text, [origin, ...returnOrigins])
  // Characters that have to be encoded make an address longer.
  return address === null || address.length > MAX_ADDRESS_LENGTH ? null : address
}

/** Whether a text is all path: after a second slash, a host would follow, and a backslash counts as one (URL Standard section 4.4). */
function isPath(text: string): boolean {
  return /^\/(?![/\\])/.test(text)
}

function readPath(text: string, origin: string): string | null {
  const url = new URL(text, origin)
  // Without its dots, `/.//host` is `//host`, which a browser would take for another host.
  return isPath(url.pathname) ? `${url.pathname}${url.search}${url.hash}` : null
}

function readUrl(text: string, origins: readonly string[]): string | null {
  // The origin has to be there to the letter: in `https:host`, `https://user@host`, `blob:https://host` and others the parser finds
  // the same origin, and another reader may not.
  const origin = origins.find((one) => text === one || ['/', '?', '#'].some((end) => text.startsWith(one + end)))
  if (origin === undefined) return null
  const url = URL.parse(text)
  return url?.origin === origin ? url.href : null
}

/**
 * Where a browser signs in that is to be sent on to `to` afterwards. `signInUrl` is a URL, or a path of this deployment's host; on
 * another host, a path in `to` would be one of that host, so that it becomes a URL.
 */
export function signInAddress(signInUrl: string, to: string, origin: string): string {
  const url = new URL(signInUrl, origin)
  const target = url.origin === origin ? to : new URL(to, origin).href
  url.search += `${url.search === '' ? '?' : '&'}to=${encodeURIComponent(target)}`
  return isPath(signInUrl) ? `${url.pathname}${url.search}${url.hash}` : url.href
}

/**
 * Whether `to` is the sign-in page, as `signInAddress` has a browser arrive there. It has then sent on people who are not signed in,
 * as if it were a page for those who are, and would do so for ever.
 */
export function isSignInAddress(signInUrl: string, to: string, origin: string): boolean {
  const [page, target] = [new URL(signInUrl, origin), new URL(to, origin)]
  return target.origin === page.origin && target.pathname === page.pathname && target.searchParams.has('to')
}
