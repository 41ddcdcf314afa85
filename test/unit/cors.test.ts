/** Whose pages may read an answer: an origin is listed to the letter, or it is not. */

import { describe, expect, test } from 'vitest'

import { shareWithListed } from '../../src/http/answer/cors.ts'

const APP = 'https://app.example.com'
const LIST = new Set([APP, 'http://localhost:5173'])

function share(origin: string | null, answer = new Response(), list: ReadonlySet<string> = LIST, init = {}) {
  const headers = new Headers(origin === null ? {} : { Origin: origin })
  return shareWithListed(answer, new Request('https://auth.example.com/refresh', { headers, ...init }), list)
}

function corsHeaders({ headers }: Response) {
  return Object.fromEntries([...headers].filter(([name]) => /^(access-control-|vary$)/.test(name)))
}

const SHARED = {
  'access-control-allow-credentials': 'true',
  'access-control-expose-headers': 'Allow, Date, Retry-After, WWW-Authenticate',
  vary: 'Origin',
}

describe('an answer', () => {
  test.each([...LIST])('is for the page of %s, with cookies', (origin) => {
    expect(corsHeaders(share(origin))).toEqual({ ...SHARED, 'access-control-allow-origin': origin })
  })

  test.each([
    'https://app.example.com.evil.com',
    'https://app.example.community',
    'https://evilapp.example.com',
    'https://evil.app.example.com',
    'https://example.com',
    'https://app.example.co',
    'https://app-example.com',
    'https://appxexample.com',
    'http://app.example.com',
    'https://app.example.com:8443',
    'https://app.example.com:443',
    'https://APP.example.com',
    'HTTPS://app.example.com',
    'https://app.example.com.',
    'https://app.example.com/',
    'https://app.example.com#',
    'https://app.example.com@evil.com',
    'https://app.example.com\\@evil.com',
    'https://app.example.com%00.evil.com',
    'https://app.example.com https://evil.com',
    'https://evil.com https://app.example.com',
    'https://app.example.com, https://evil.com',
    'https://app.example.com,https://app.example.com',
    'https://app.example.com,http://localhost:5173',
    'http://localhost',
    'http://localhost:51730',
    'http://127.0.0.1:5173',
    'app.example.com',
    '//app.example.com',
    'null',
    'undefined',
    '*',
    '',
  ])('is not for one of %j', (origin) => {
    expect(corsHeaders(share(origin))).toEqual({ vary: 'Origin' })
  })

  test('to a request without an origin says that another one may be answered differently', () => {
    expect(corsHeaders(share(null))).toEqual({ vary: 'Origin' })
  })

  test('keeps what it varies by already', () => {
    const answer = new Response(null, { headers: { Vary: 'Sec-Fetch-Site, Sec-Purpose' } })
    expect(share(APP, answer).headers.get('Vary')).toBe('Sec-Fetch-Site, Sec-Purpose, Origin')
  })

  test.each(['same-origin', 'cross-origin'])('that says itself that it is %s is left alone', (policy) => {
    const answer = new Response(null, { headers: { 'Cross-Origin-Resource-Policy': policy } })
    expect(corsHeaders(share(APP, answer))).toEqual({})
  })

  test('is left alone without a list', () => {
    expect(corsHeaders(share(APP, new Response(), new Set()))).toEqual({})
  })
})

const notAllowed = () =>
  new Response('{}', { status: 405, headers: { Allow: 'GET, POST', 'Content-Type': 'application/problem+json' } })

describe('a preflight', () => {
  const OPTIONS = { method: 'OPTIONS' }
  const asks = (origin: string) => ({ ...OPTIONS, headers: { Origin: origin, 'Access-Control-Request-Method': 'PUT' } })

  test('learns the methods of the path, and may remember them for two hours', async () => {
    const answer = share(null, notAllowed(), LIST, asks(APP))

    expect([answer.status, await answer.text(), Object.fromEntries(answer.headers)]).toEqual([
      204,
      '',
      {
        'access-control-allow-credentials': 'true',
        'access-control-allow-headers': 'Accept, Authorization, Content-Type, DPoP',
        'access-control-allow-methods': 'GET, POST',
        'access-control-allow-origin': APP,
        'access-control-max-age': '7200',
        vary: 'Origin',
      },
    ])
  })

  test.each([
    ['of an origin that is not listed', share(null, notAllowed(), LIST, asks('https://evil.com'))],
    ['that names no method', share(APP, notAllowed(), LIST, { ...OPTIONS, headers: { Origin: APP } })],
    ['of another method', share(null, notAllowed(), LIST, { ...asks(APP), method: 'POST' })],
    ['without a list', share(null, notAllowed(), new Set(), asks(APP))],
  ])('is none, and 405 stays 405: %s', (_name, { status, headers }) => {
    expect([status, headers.get('Allow'), headers.get('Content-Type')]).toEqual([
      405,
      'GET, POST',
      'application/problem+json',
    ])
    expect(headers.has('Access-Control-Allow-Methods')).toBe(false)
  })

  test('of a path that does not exist fails with the 404 that there is', () => {
    const answer = share(null, new Response('{}', { status: 404 }), LIST, asks(APP))
    expect([answer.status, answer.headers.has('Access-Control-Allow-Methods')]).toEqual([404, false])
  })
})
