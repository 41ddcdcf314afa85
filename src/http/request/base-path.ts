/** `BASE_PATH`: where Tessera shares the host of an application, it answers below a prefix alone. */

import { getPath } from 'hono/utils/url'

/** The root is no route: whatever is asked outside of the prefix is not found, by every method. */
const OUTSIDE = '/'

/** Readers of RFC 8414 put its well-known name before the path of an issuer (section 3.1), and those of OpenID Connect behind it. */
const METADATA = '/.well-known/oauth-authorization-server'

/** The path that routes are matched by. The operator's prefix decides alone, and is cut off to the letter. */
export function pathBelow(basePath: string, request: Request): string {
  const path = getPath(request)
  if (basePath === '') return path
  if (path.startsWith(`${basePath}/`)) return path.slice(basePath.length)
  return path === `${METADATA}${basePath}` ? METADATA : OUTSIDE
}
