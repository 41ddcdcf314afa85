/** A Worker whose every answer is held against the OpenAPI document. */

import { described, differences, routeOf } from './openapi.ts'
import { type Overrides, startWorker, type TestWorker } from './worker.ts'

export interface WatchedWorker extends TestWorker {
  /** How its answers differ from the document. */
  readonly found: readonly string[]
  /** The operations that it answered well: `GET /auth/me`. */
  readonly answered: ReadonlySet<string>
  /** The errors that it answered, by operation: `GET /auth/me token_used`. */
  readonly refused: ReadonlySet<string>
}

/** The codes of errors that are answered as bare text. */
const CODES = new Map(Object.values(described.components.examples).map(({ value: { detail, code } }) => [detail, code]))

/** Pages of people are not in the document. Without that setting, one route has a refusal alone. */
export function watch(overrides: Overrides = {}): WatchedWorker {
  const watched = startWorker({ DEVICE_BINDING: 'offer', ...overrides })
  const found: string[] = []
  const answered = new Set<string>()
  const refused = new Set<string>()
  const call: TestWorker['call'] = async (path, options = {}) => {
    const response = await watched.call(path, options)
    const { method = 'GET' } = options
    if (/^\/(account|links)\b/.test(path)) return response
    const route = routeOf(method, path)
    const name = `${method} ${route?.path}`
    if (response.ok) answered.add(name)
    else refused.add(`${name} ${await codeOf(response)}`)
    found.push(...(await differences(method, path, response)))
    return response
  }
  return { ...watched, call, found, answered, refused }
}

async function codeOf(response: Response): Promise<string | undefined> {
  const text = await response.clone().text()
  const isProblem = response.headers.get('Content-Type') === 'application/problem+json'
  return isProblem ? (JSON.parse(text) as { code: string }).code : CODES.get(text)
}
