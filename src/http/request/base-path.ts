/** `BASE_PATH`: where Tessera shares the host of an application, it answers below a prefix alone. */

import { getPath } from 'hono/utils/url'

/** The root is no route: whatever is asked outside of the prefix is not found, by every method. */
const OUTSIDE = '/'

/** The path that routes are matched by. The operator's prefix decides alone, and is cut off to the letter. */
export function pathBelow(basePath: string, request: Request): string {
  const path = getPath(request)
  if (basePath === '') return path
  return path.startsWith(`${basePath}/`) ? path.slice(basePath.length) : OUTSIDE
}
