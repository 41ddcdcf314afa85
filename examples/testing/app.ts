/**
 * An application of somebody: one page, for whoever is signed in. It verifies the access token in the cookie by itself, and knows of Tessera
 * only where that is.
 */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

import { createVerifier, type Verifier } from 'tessera/verify'

/** Starts it on a free port of this machine, and resolves to its address. It ends with the process. */
export async function startApp(tessera: string): Promise<string> {
  const { verify } = createVerifier({ issuer: tessera })
  const server = createServer((request, response) => void answer(verify, request, response))
  server.listen(0, '127.0.0.1').unref()
  await once(server, 'listening')
  const address = server.address()
  return `http://localhost:${typeof address === 'object' ? address?.port : ''}`
}

async function answer(
  verify: Verifier['verify'],
  { headers }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const token = /(?:^|; )access_token=([^;]+)/.exec(headers.cookie ?? '')?.[1] ?? ''
  const result = await verify(token)
  response.writeHead(result.ok ? 200 : 401, { 'Content-Type': 'text/html' })
  response.end(result.ok ? `<h1>Hello, ${result.claims.group} ${result.claims.id}</h1>` : '<h1>Please sign in</h1>')
}
