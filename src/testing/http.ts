/**
 * A Tessera of the kit by HTTP, for test suites of every language: what `Tessera` has as functions, as requests with JSON. It is on an address of
 * its own beside that of Tessera, on this machine alone, and for whoever has the service key: no page of a browser has it, whatever name was made to resolve to
 * this machine (DNS rebinding), and no page can send it unasked (CSRF).
 *
 * - POST /users      {email, password, group, guid, confirmed, active, claims}, each optional → a user
 * - POST /sessions   {guid, address, userAgent}, each optional → a session
 * - GET /mails?to=…  → the newest mail to an address
 * - POST /travel     {days} or {seconds} → 204
 * - POST /steal      {access, refresh} → what a thief is answered
 */

import { createHash, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'

import { isLoopback } from '../domain/loopback.ts'
import type { Tessera } from './testing.ts'

interface Answer {
  readonly status: number
  readonly body?: unknown
}

const HOST = '127.0.0.1'
const MAX_BODY_BYTES = 65_536
const NOT_FOUND: Answer = { status: 404, body: { error: 'POST /users, /sessions, /travel, /steal; GET /mails?to=…' } }

/** Serves it on a port, 0 for a free one, to the end of the process, and resolves to its URL. */
export async function serveControl(tessera: Tessera, port: number): Promise<string> {
  const server = createServer((request, response) => {
    void respond(tessera, request, response)
  })
  server.listen(port, HOST)
  await once(server, 'listening')
  return `http://localhost:${portOf(server)}`
}

async function respond(tessera: Tessera, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { status, body } = await answer(tessera, request)
  response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' })
  response.end(body === undefined ? undefined : JSON.stringify(body))
}

async function answer(tessera: Tessera, request: IncomingMessage): Promise<Answer> {
  const refusal = refusalOf(request, tessera.serviceKey)
  if (refusal !== null) return { status: 403, body: { error: refusal } }
  try {
    return await act(tessera, request)
  } catch (error) {
    return { status: 400, body: { error: error instanceof Error ? error.message : String(error) } }
  }
}

/** Why a request changes nothing, or `null`. Whatever a browser sends unasked has one of its two headers. */
export function refusalOf({ headers }: Pick<IncomingMessage, 'headers'>, serviceKey: string): string | null {
  if (!isLoopback((headers.host ?? '').replace(/:\d+$/, ''))) return 'this is for localhost alone'
  if (headers.origin !== undefined || headers['sec-fetch-site'] !== undefined)
    return 'this is not for pages of browsers'
  const isKey = timingSafeEqual(sha256(headers.authorization ?? ''), sha256(`Bearer ${serviceKey}`))
  return isKey ? null : 'Authorization must be Bearer and the SERVICE_KEY that was printed at the start'
}

async function act(tessera: Tessera, request: IncomingMessage): Promise<Answer> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost')
  switch (`${request.method} ${pathname}`) {
    case 'POST /users':
      return { status: 201, body: await tessera.createUser(await readJson(request)) }
    case 'POST /sessions': {
      const { guid, ...client } = await readJson(request)
      return { status: 201, body: await tessera.createSession(guid === undefined ? null : { guid }, client) }
    }
    case 'GET /mails':
      return { status: 200, body: await tessera.lastMail(searchParams.get('to') ?? '') }
    case 'POST /travel': {
      const { days, seconds } = await readJson(request)
      await tessera.travel(days ?? { seconds })
      return { status: 204 }
    }
    case 'POST /steal':
      return { status: 200, body: await tessera.steal(await readJson(request)) }
    default:
      return NOT_FOUND
  }
}

/** An object, whose fields Tessera judges. Without a body it is empty. */
async function readJson(request: IncomingMessage) {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request) {
    size += chunk.length
    if (size > MAX_BODY_BYTES) throw new Error(`a body has at most ${MAX_BODY_BYTES} bytes`)
    chunks.push(chunk)
  }
  return size === 0 ? {} : JSON.parse(Buffer.concat(chunks).toString())
}

function sha256(text: string): Uint8Array {
  return new Uint8Array(createHash('sha256').update(text).digest())
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}
