/**
 * One address: a deployment answers under `PUBLIC_URL` and nowhere else. Rules that an operator puts before their domain
 * hold for that domain only, and what a stranger writes into `Host` must not become the issuer of a token.
 */

import { ConfigError } from './config.ts'
import { isLoopback } from './domain/loopback.ts'
import type { Services } from './domain/services.ts'
import { TesseraError } from './errors.ts'
import { toProblem } from './http/answer/problem.ts'

const ANOTHER_HOST = 'another host'

/** `foreign`: another deployment's address, or another name of this one. `unknown`: `PUBLIC_URL` is not set. */
export type Address = 'own' | 'foreign' | 'unknown'

/** `PUBLIC_URL` is missing. Only a request shows that it is: local development may do without. */
export class UnknownAddress extends ConfigError {
  constructor() {
    super(
      'Configuration: PUBLIC_URL is missing. Set it to the address of this deployment, such as https://auth.example.com, in the dashboard or in wrangler.toml',
    )
  }
}

/**
 * Whose address a request was sent to. The host decides, its port included. Without `PUBLIC_URL`, and where it names
 * this machine, every name of this machine will do: browsers and tools disagree about `localhost` and `127.0.0.1`.
 */
export function addressOf(url: string, publicUrl: string | undefined): Address {
  // The usual request has the address as its prefix, and its URL need not be parsed.
  if (publicUrl !== undefined && url.startsWith(publicUrl) && url[publicUrl.length] === '/') return 'own'
  const { host, hostname } = new URL(url)
  if (publicUrl === undefined) return isLoopback(hostname) ? 'own' : 'unknown'
  const own = new URL(publicUrl)
  const isOwn = host === own.host || (isLoopback(hostname) && isLoopback(own.hostname))
  return isOwn ? 'own' : 'foreign'
}

/** The answer to a request for another address (RFC 9110 section 15.5.20). Nothing of the request was looked at. */
export function answerMisdirected(request: Request, { log }: Pick<Services, 'log'>): Response {
  const error = new TesseraError('misdirected', { cause: ANOTHER_HOST })
  log({
    event: 'refused',
    code: error.code,
    status: error.status,
    cause: ANOTHER_HOST,
    host: new URL(request.url).host,
  })
  return toProblem(error)
}
