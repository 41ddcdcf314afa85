/**
 * Runs an example under Node: a handler takes a `Request` and answers with a `Response`, as it would in a Worker, in Deno or in Bun.
 *
 * - PORT         where it listens; 3000
 * - ORIGIN       the address that browsers know it by; http://localhost:PORT
 * - TESSERA      the address that browsers know Tessera by, `BASE_PATH` included; http://localhost:8787
 * - SERVICE_KEY  the service key of that Tessera, for those that need it
 */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text as readText } from 'node:stream/consumers'

const port = Number(process.env['PORT'] ?? 3000)

export const ORIGIN = process.env['ORIGIN'] ?? `http://localhost:${port}`
export const TESSERA = process.env['TESSERA'] ?? 'http://localhost:8787'
export const SERVICE_KEY = process.env['SERVICE_KEY'] ?? ''

/** What answers a request. `address` is the IP address of its client. */
export type Handler = (request: Request, address: string) => Response | Promise<Response>

/** Listens, and prints the address once it does. */
export async function serve(handler: Handler): Promise<void> {
  const server = createServer((message, response) => {
    answer(handler, message, response).catch((error: unknown) => {
      console.error(error)
      response.writeHead(503).end()
    })
  })
  await once(server.listen(port, '127.0.0.1'), 'listening')
  const address = server.address()
  const listening = address !== null && typeof address === 'object' ? address.port : port
  console.log(`${ORIGIN} listens on port ${listening}`)
}

async function answer(handler: Handler, message: IncomingMessage, response: ServerResponse): Promise<void> {
  const headers = Object.entries(message.headers).map(([name, value]) => [name, String(value)] as const)
  const hasBody = message.method !== 'GET' && message.method !== 'HEAD'
  // The origin is the one that was set: what a client wrote into `Host` decides nothing.
  const request = new Request(ORIGIN + message.url, {
    method: message.method ?? 'GET',
    headers: new Headers(Object.fromEntries(headers)),
    ...(hasBody && { body: await readText(message) }),
  })
  const answered = await handler(request, addressOf(message))
  response.writeHead(answered.status, [...answered.headers].flat())
  response.end(await answered.text())
}

/**
 * The address that the proxy before this program wrote last, or that of the connection, where there is no proxy. Whoever connects is on this
 * machine, since nothing else can: from anybody else, such a header would be made up.
 */
function addressOf({ headers, socket }: IncomingMessage): string {
  const forwarded = String(headers['x-forwarded-for'] ?? '').split(',')
  return forwarded.at(-1)?.trim() || (socket.remoteAddress ?? '')
}
