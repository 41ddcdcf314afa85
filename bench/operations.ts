/**
 * What a connection does again and again, and which answer is the right one. Every operation owns what it works on:
 * a refresh exchanges the token that the answer before gave it.
 */

import { challengeOf, prove } from './bound.ts'
import { type Answer, CLIENT, request } from './connection.ts'

/** What an operation needs, prepared by the harness. Plain data: it crosses a process border. */
export type Work =
  | { readonly kind: 'text'; readonly body: string }
  | { readonly kind: 'verify'; readonly tokens: readonly string[] }
  | {
      readonly kind: 'rotate'
      readonly chains: readonly { sid: string; userId: number; guid: string; jti: string }[]
    }
  | { readonly kind: 'refresh'; readonly chains: readonly { refresh: string; userId: number; email: string }[] }
  | { readonly kind: 'cookies'; readonly chains: readonly { access: string; refresh: string }[] }
  | {
      readonly kind: 'device'
      /** The private key of all of them, in PEM. */
      readonly key: string
      readonly chains: readonly { access: string; refresh: string; challenge: string }[]
    }
  | { readonly kind: 'issue'; readonly guids: readonly string[]; readonly serviceKey: string | null }
  | { readonly kind: 'sign-in'; readonly email: string; readonly password: string; readonly userId: number }

export interface Operation {
  readonly request: () => string
  /** Throws `WrongAnswer` for any other than the right one. */
  readonly accept: (answer: Answer) => void
  /** A token that the last answers gave, for a look at its signature and claims; `null` where there is none. */
  readonly sample: () => { readonly access: string; readonly refresh: string } | null
}

export class WrongAnswer extends Error {
  override readonly name = 'WrongAnswer'
  constructor(expected: string, { status, head, body }: Answer) {
    super(`expected ${expected}, got ${status}:\n${head}\n\n${body.slice(0, 500)}`)
  }
}

/** The share of `work` that the connection with this number does: none of it is shared with another. */
export function createOperation(work: Work, index: number, connections: number): Operation {
  switch (work.kind) {
    case 'text':
      return unchanging(request('GET', '/'), (answer) => {
        if (answer.status !== 200 || answer.body !== work.body) throw new WrongAnswer(`200 ${work.body}`, answer)
      })
    case 'verify': {
      const requests = share(work.tokens, index, connections).map((token) =>
        request('POST', '/auth/token/verify', '', JSON.stringify({ token })),
      )
      return {
        request: inTurn(requests),
        accept(answer) {
          if (answer.status !== 200 || answer.body !== '') throw new WrongAnswer('200 and no body', answer)
        },
        sample: () => null,
      }
    }
    case 'rotate':
      return chained(
        share(work.chains, index, connections),
        ({ sid, userId, guid, jti }) => request('GET', `/rotate/${sid}/${userId}/${guid}/${jti}`),
        (chain, answer) => {
          if (answer.status !== 200 || !/^[\w-]{36}$/.test(answer.body) || answer.body === chain.jti) {
            throw new WrongAnswer('200 and the next jti', answer)
          }
          return { ...chain, jti: answer.body }
        },
      )
    case 'refresh':
      return chained(
        share(work.chains, index, connections).map((chain) => ({ ...chain, access: '' })),
        ({ refresh }) => request('POST', '/auth/token/refresh', '', JSON.stringify({ refresh })),
        (chain, answer) => ({ ...chain, ...acceptPair(answer, chain) }),
      )
    case 'cookies':
      return chained(
        share(work.chains, index, connections),
        ({ access, refresh }) =>
          request('GET', '/refresh', `Cookie: access_token=${access}; refresh_token=${refresh}\r\n`),
        (chain, answer) => acceptCookies(answer, chain.refresh),
      )
    case 'device':
      return chained(
        share(work.chains, index, connections),
        ({ refresh, challenge }) => {
          const proof = prove(work.key, challenge)
          return request(
            'POST',
            '/refresh/device',
            `Cookie: refresh_token=${refresh}\r\nSecure-Session-Response: ${proof}\r\n`,
          )
        },
        (chain, answer) => ({
          ...acceptCookies({ ...answer, body: '' }, chain.refresh),
          challenge: challengeOf(answer.head),
        }),
      )
    case 'issue': {
      const authorization =
        work.serviceKey === null ? '' : `Authorization: Bearer ${work.serviceKey}\r\nTessera-Client-IP: ${CLIENT}\r\n`
      const guids = share(work.guids, index, connections)
      return chained(
        guids.map((guid) => ({ guid, access: '', refresh: '' })),
        ({ guid }) => request('GET', `/${guid}`, authorization),
        ({ guid, refresh }, answer) => ({ guid, ...acceptCookies(answer, refresh) }),
      )
    }
    case 'sign-in': {
      const { email, password, userId } = work
      const text = request('POST', '/auth/token', '', JSON.stringify({ primary_email: email, password }))
      return chained(
        [{ access: '', refresh: '' }],
        () => text,
        (chain, answer) => acceptPair(answer, { ...chain, userId, email }),
      )
    }
  }
}

function share<T>(all: readonly T[], index: number, connections: number): readonly T[] {
  const own = all.filter((_, i) => i % connections === index)
  if (own.length === 0) throw new RangeError('fewer things to work on than connections')
  return own
}

function inTurn<T>(items: readonly T[]): () => T {
  let i = 0
  return () => items[i++ % items.length] as T
}

function unchanging(text: string, accept: Operation['accept']): Operation {
  return { request: () => text, accept, sample: () => null }
}

function chained<Chain extends object>(
  chains: readonly Chain[],
  ask: (chain: Chain) => string,
  accept: (chain: Chain, answer: Answer) => Chain,
): Operation {
  const current = [...chains]
  let i = 0
  let last: object | null = null
  return {
    request: () => ask(current[i % current.length] as Chain),
    accept(answer) {
      const at = i % current.length
      current[at] = accept(current[at] as Chain, answer)
      last = current[at] ?? null
      i += 1
    },
    sample: () => (last !== null && 'access' in last ? (last as { access: string; refresh: string }) : null),
  }
}

function acceptPair(answer: Answer, presented: { refresh: string; userId: number; email: string }) {
  const pair = answer.status === 200 ? parseJson(answer.body) : null
  const { access, refresh, user_id, email } = pair ?? {}
  const isRight = isToken(access) && isToken(refresh) && refresh !== presented.refresh && user_id === presented.userId
  if (!isRight || email !== presented.email) throw new WrongAnswer('200 and the next pair', answer)
  return { access, refresh }
}

function acceptCookies(answer: Answer, presented: string) {
  const access = /\r\nset-cookie: access_token=([^;]+)/i.exec(answer.head)?.[1]
  const refresh = /\r\nset-cookie: refresh_token=([^;]+)/i.exec(answer.head)?.[1]
  const isRight = answer.status === 200 && answer.body === '' && isToken(access) && isToken(refresh)
  if (!isRight || refresh === presented) throw new WrongAnswer('200 and the next pair in cookies', answer)
  return { access, refresh }
}

function parseJson(text: string): Readonly<Record<string, unknown>> | null {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return null
  }
}

function isToken(value: unknown): value is string {
  return typeof value === 'string' && /^[\w-]+\.[\w-]+\.[\w-]+$/.test(value)
}
