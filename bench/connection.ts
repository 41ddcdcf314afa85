/** One keep-alive connection, one request at a time. Nothing but what the Worker's answers need of HTTP/1.1. */

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface Answer {
  readonly status: number
  /** Status line and headers, as they came. */
  readonly head: string
  readonly body: string
}

export interface Connection {
  readonly ask: (request: string) => Promise<Answer>
}

/** A connection that was idle for longer is opened anew, since workerd closes one after five seconds. */
const REST_MILLISECONDS = 2000
/** Longer than any answer takes, a queue of hashes included. */
const SILENCE_MILLISECONDS = 20_000

/** The address of every client. */
export const CLIENT = '203.0.113.7'

/** The text of a request, as `ask` takes it. */
export function request(method: string, path: string, headers: string = '', body: string = ''): string {
  const length = body === '' ? '' : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`
  return (
    `${method} ${path} HTTP/1.1\r\nHost: auth.example.com\r\nUser-Agent: tessera-bench\r\n` +
    `CF-Connecting-IP: ${CLIENT}\r\n${headers}${length}\r\n${body}`
  )
}

/** A connection to a port of this machine, opened when it is first used, and again after a rest. */
export function createConnection(port: number): Connection {
  let link: Link | undefined
  let usedAt = 0

  return {
    async ask(text) {
      const rested = performance.now() - usedAt > REST_MILLISECONDS
      if (link === undefined || rested || link.socket.destroyed) {
        link?.socket.destroy()
        link = await openLink(port)
      }
      const answer = await link.ask(text)
      usedAt = performance.now()
      return answer
    },
  }
}

interface Link {
  readonly socket: Socket
  readonly ask: (text: string) => Promise<Answer>
}

async function openLink(port: number): Promise<Link> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  let received = ''
  let waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined

  // Latin-1 keeps one character a byte, so lengths are right; the bodies here are ASCII.
  socket.setEncoding('latin1').on('data', (data: string) => {
    received += data
    const parsed = parse(received)
    if (parsed === null) return
    received = received.slice(parsed.end)
    const asked = waiting
    waiting = undefined
    asked?.resolve(parsed.answer)
  })
  socket.setTimeout(SILENCE_MILLISECONDS, () => socket.destroy(new Error('no answer')))
  socket.on('error', (error) => waiting?.reject(error))
  socket.on('close', () => waiting?.reject(new Error('the connection was closed')))

  return {
    socket,
    ask(text) {
      return new Promise((resolve, reject) => {
        waiting = { resolve, reject }
        socket.write(text, 'latin1')
      })
    },
  }
}

/** The first whole answer of a text and where it ends; `null` while some of it is missing. */
function parse(text: string): { answer: Answer; end: number } | null {
  const headEnd = text.indexOf('\r\n\r\n')
  if (headEnd < 0) return null
  const head = text.slice(0, headEnd)
  const status = Number(head.slice(9, 12))
  const start = headEnd + 4
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1]
  if (length !== undefined) {
    const end = start + Number(length)
    return text.length < end ? null : { answer: { status, head, body: text.slice(start, end) }, end }
  }
  if (/\r\ntransfer-encoding: chunked/i.test(head)) return parseChunks(text, status, head, start)
  return { answer: { status, head, body: '' }, end: start }
}

function parseChunks(text: string, status: number, head: string, start: number) {
  let body = ''
  let at = start
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at)
    if (lineEnd < 0) return null
    const size = Number.parseInt(text.slice(at, lineEnd), 16)
    const next = lineEnd + 2 + size + 2
    if (text.length < next) return null
    if (size === 0) return { answer: { status, head, body }, end: next }
    body += text.slice(lineEnd + 2, lineEnd + 2 + size)
    at = next
  }
}
