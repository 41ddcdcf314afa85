/**
 * The playground is for browsers and shells on this machine alone, since it shows passwords and signs anybody in: it does not
 * exist for a request that has any sign of coming from elsewhere. A Worker does not learn the address of its peer, so with
 * `--ip 0.0.0.0` anybody of the same network may claim to be local.
 */

import { isLoopback } from '../domain/loopback.ts'
import type { Settings } from '../domain/settings.ts'

/**
 * Whether a request is for the playground and came from this machine. The `Host` is checked, since a foreign name may be
 * made to resolve to this machine (DNS rebinding); a `CF-Ray` is what every request through Cloudflare's network has, so
 * this entry would show nothing even if it were deployed or reached by a tunnel.
 */
export function isForPlayground(
  { url, headers }: Request,
  { publicUrl, basePath }: Pick<Settings, 'publicUrl' | 'basePath'>,
): boolean {
  const { pathname, hostname } = new URL(url)
  const isPath = /^\/dev(\/|$)/.test(pathname) || pathname === `${basePath}/refresh/dev`
  const host = headers.get('Host')
  return (
    isPath &&
    isLoopback(hostname) &&
    (host === null || isLoopback(host.replace(/:\d+$/, ''))) &&
    !headers.has('CF-Ray') &&
    (publicUrl === undefined || isLoopback(new URL(publicUrl).hostname))
  )
}

/** Whether a form was sent by a page of this origin. A page on another port of this machine is of another one. */
export function isSameOrigin({ url, headers }: Request): boolean {
  const origin = headers.get('Origin')
  const site = headers.get('Sec-Fetch-Site')
  return (origin === null || origin === new URL(url).origin) && (site === null || site === 'same-origin')
}
