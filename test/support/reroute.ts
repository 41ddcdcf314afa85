/**
 * Loaded into a deploy by `--import`: what it asks the internet goes to the stand-in, and names resolve as the test says.
 * Nothing leaves this machine.
 */

import dns from 'node:dns/promises'
import { syncBuiltinESMExports } from 'node:module'

const standIn = process.env['CLOUDFLARE_API_BASE_URL'] ?? ''
const known = (process.env['TESSERA_TEST_HOSTS'] ?? '').split(',')

const original = globalThis.fetch
globalThis.fetch = (input, init) => {
  const url = new URL(input instanceof Request ? input.url : input)
  return original(url.protocol === 'https:' ? `${standIn}/origin/${url.host}${url.pathname}` : input, init)
}

dns.lookup = (async (host: string) => {
  if (known.includes(host)) return { address: '192.0.2.1', family: 4 }
  throw new Error(`getaddrinfo ENOTFOUND ${host}`)
}) as typeof dns.lookup
syncBuiltinESMExports()
