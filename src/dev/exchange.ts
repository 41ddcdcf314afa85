/** One request to the Worker and its answer, as they went over the wire, to be read by a person. */

import { parseToken } from '../domain/tokens/tokens.ts'
import type { IncomingRequest } from './places.ts'

export interface Exchange {
  readonly status: number
  /** The message as HTTP writes it, with tokens shortened. */
  readonly request: string
  readonly answer: string
  /** The claims of the tokens in the answer, or in the request where the answer has none. */
  readonly tokens: readonly { readonly name: string; readonly claims: string }[]
}

/** The headers of a request that Tessera reads; the others that a browser sends are not shown. */
const TELLING_HEADERS = ['CF-Connecting-IP', 'User-Agent', 'Content-Type', 'Cookie']
const TOKEN = /\beyJ[\w-]+\.[\w-]+\.[\w-]*/g

/** Describes an exchange. The bodies are given as text, since a body can be read only once. */
export function writeDown(request: IncomingRequest, sent: string, answer: Response, received: string): Exchange {
  const { pathname } = new URL(request.url)
  const asked = TELLING_HEADERS.flatMap((name) => {
    const value = request.headers.get(name)
    return value === null ? [] : [`${name}: ${value}`]
  })
  const cookies = answer.headers.getSetCookie()
  const told = [...answer.headers].filter(([name]) => name !== 'set-cookie').map(([name, value]) => `${name}: ${value}`)
  const lines = {
    request: [`${request.method} ${pathname}`, ...asked, ...(sent === '' ? [] : ['', sent])].join('\n'),
    answer: [
      `${answer.status} ${STATUS_TEXTS[answer.status] ?? ''}`,
      ...told,
      ...cookies.map((line) => `set-cookie: ${line}`),
      '',
      received === '' ? '(no body)' : received,
    ].join('\n'),
  }
  return {
    status: answer.status,
    request: shorten(lines.request),
    answer: shorten(lines.answer),
    tokens: [lines.answer, lines.request].map(tokensOf).find((found) => found.length > 0) ?? [],
  }
}

const STATUS_TEXTS: Readonly<Record<number, string>> = {
  200: 'OK',
  204: 'No Content',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
}

/** A token has some 700 characters of base64url, so that only its ends are shown. */
function shorten(text: string): string {
  return text.replace(TOKEN, (token) => `${token.slice(0, 6)}…${token.slice(-6)}`)
}

function tokensOf(text: string): Exchange['tokens'] {
  return (text.match(TOKEN) ?? []).flatMap((token) => {
    try {
      const { payload } = parseToken(token)
      return [{ name: String(payload['token_type']), claims: JSON.stringify(payload, null, 2) }]
    } catch {
      // A text that looks like a token may be none, since a cookie may hold anything.
      return []
    }
  })
}
