/** The environment of one request to the playground. */

import type { Context } from 'hono'
import type { SecureHeadersVariables } from 'hono/secure-headers'

import type { Runtime } from '../services.ts'
import type { IncomingRequest } from './places.ts'
import type { Run } from './run.ts'

export interface Workbench {
  readonly run: Run
  /** An error where the Worker cannot start from its configuration. */
  readonly runtime: Runtime | Error
  readonly now: () => number
  readonly database: Env['DB']
  /** The passwords of the demo accounts, by e-mail address. */
  readonly passwords: ReadonlyMap<string, string>
  /** Answers a request as the Worker does that is deployed. */
  readonly answer: (request: IncomingRequest) => Promise<Response>
  readonly runCron: () => Promise<void>
}

/** What stands before every path of the Worker, or `''`. The playground itself stays at `/dev`. */
export function basePathOf({ runtime }: Pick<Workbench, 'runtime'>): string {
  return runtime instanceof Error ? '' : runtime.services.settings.basePath
}

export interface PlaygroundEnv {
  Bindings: Workbench
  Variables: SecureHeadersVariables
}

export type PlaygroundContext = Context<PlaygroundEnv>
