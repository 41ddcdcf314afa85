/** Bodies of every JSON route: types, sizes, encodings, fields that are missing or of another type. */

import { describe, expect, test } from 'vitest'

import { answer, COMMON, malformed, NO_ACCOUNT, NOT_JSON, problem, STRING_MISSING } from '../../support/answers.ts'
import { TEST_BINDINGS } from '../../support/bindings.ts'
import { keepLog } from '../../support/log.ts'
import { callWithoutDatabase } from '../../support/counted-worker.ts'
import { callWhichCounts } from '../../support/requests.ts'

const KIB = 1024

keepLog('warn')

const TOO_LARGE = problem(413, 'Content Too Large', 'Payload too large', 'payload_too_large')

const received = (type: string) => [`Invalid input: expected string, received ${type}`]

/** A JSON object with a further field that makes it as long as asked for. */
function padded(json: string, bytes: number): string {
  return json.replace('}', `,"more":"${'y'.repeat(bytes - json.length - 10)}"}`)
}

/** A body that comes in pieces, its length not announced. */
function streamed(body: string): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(body)
  return new ReadableStream({
    start(controller) {
      controller.enqueue(bytes.slice(0, KIB))
      controller.enqueue(bytes.slice(KIB))
      controller.close()
    },
  })
}

interface JsonRoute {
  readonly path: string
  /** Well-formed fields that mean nothing. */
  readonly fields: Readonly<Record<string, string>>
  /** What those are answered: the body was read. */
  readonly READ: Awaited<ReturnType<typeof answer>>
  readonly headers?: Readonly<Record<string, string>>
}

const JSON_ROUTES: readonly JsonRoute[] = [
  { path: '/auth/token', fields: { primary_email: 'nobody@example.com', password: 'x' }, READ: NO_ACCOUNT },
  { path: '/auth/session', fields: { primary_email: 'nobody@example.com', password: 'x' }, READ: NO_ACCOUNT },
  { path: '/auth/token/refresh', fields: { refresh: 'x' }, READ: malformed() },
  { path: '/auth/token/verify', fields: { token: 'x' }, READ: malformed() },
  {
    path: '/auth/token/introspect',
    fields: { token: 'x' },
    READ: { status: 200, headers: { ...COMMON, 'content-type': 'application/json' }, body: '{"active":false}' },
    headers: { Authorization: `Bearer ${TEST_BINDINGS.SERVICE_KEY}` },
  },
]

describe.each(JSON_ROUTES)('POST $path', ({ path, fields, READ, headers: own = {} }) => {
  const names = Object.keys(fields)
  const missing = Object.fromEntries(names.map((name) => [name, [STRING_MISSING]]))
  const json = { 'Content-Type': 'application/json' }
  const good = JSON.stringify(fields)
  function post(body: BodyInit, headers: Record<string, string> = json) {
    const options = { method: 'POST', body, headers: { ...own, ...headers } }
    // A sign-in reads the account first; nobody else needs D1 to refuse a body.
    return READ === NO_ACCOUNT ? callWhichCounts(path, options).then(answer) : callWithoutDatabase(path, options)
  }

  test.each([
    ['none', {}],
    ['a form with files', { 'Content-Type': 'multipart/form-data; boundary=x' }],
    ['text', { 'Content-Type': 'text/plain' }],
    ['text that names JSON', { 'Content-Type': 'text/plain; application/json' }],
    ['text/json', { 'Content-Type': 'text/json' }],
    ['JSON of another kind', { 'Content-Type': 'application/problem+json' }],
    ['JSON5', { 'Content-Type': 'application/json5' }],
    ['two types', { 'Content-Type': 'application/json, text/plain' }],
    ['junk', { 'Content-Type': ';' }],
  ])('refuses a body of the type: %s', async (_name, headers) => {
    // Bytes bring no type of their own, as text would.
    expect(await post(new TextEncoder().encode(good), headers)).toEqual(NOT_JSON)
  })

  test('refuses a request without a body, and with a type or without', async () => {
    expect(await callWithoutDatabase(path, { method: 'POST', headers: own })).toEqual(NOT_JSON)
    expect(await callWithoutDatabase(path, { method: 'POST', headers: { ...own, ...json } })).toEqual(malformed())
  })

  test.each(['application/json; charset=utf-8', 'Application/JSON', ' application/json ;x=y'])(
    'takes the type %s',
    async (type) => {
      expect(await post(good, { 'Content-Type': type })).toEqual(READ)
    },
  )

  test.each([
    ['nothing', ''],
    ['a space', ' '],
    ['an open brace', '{'],
    ['a word', 'undefined'],
    ['single quotes', good.replaceAll('"', "'")],
    ['a comma too much', good.replace('}', ',}')],
    ['a NUL after it', `${good}\0`],
    ['a bare control character in a text', good.replace('x', 'x\n')],
    ['two values', `${good}${good}`],
    ['ten thousand open brackets', '['.repeat(10_000)],
    ['NaN', good.replace('"x"', 'NaN')],
    ['a form', 'primary_email=a&password=b&refresh=c&token=d'],
  ])('refuses what is no JSON: %s', async (_name, body) => {
    expect(await post(body)).toEqual(malformed())
  })

  test.each([
    ['null', 'null', 'null'],
    ['an array', '[]', 'array'],
    ['an array of bodies', `[${good}]`, 'array'],
    ['a text', JSON.stringify(good), 'string'],
    ['a number', '1', 'number'],
    ['true', 'true', 'boolean'],
  ])('refuses JSON that is no object: %s', async (_name, body, type) => {
    expect(await post(body)).toEqual(malformed({ body: [`Invalid input: expected object, received ${type}`] }))
  })

  test.each([
    ['nothing', '{}'],
    ['other spellings', '{"Primary_email":"a","PASSWORD":"b","Refresh":"c"," token":"d"}'],
    ['its fields in __proto__', `{"__proto__":${good}}`],
    ['its fields in constructor.prototype', `{"constructor":{"prototype":${good}}}`],
  ])('names every field that is missing from an object with %s', async (_name, body) => {
    expect(await post(body)).toEqual(malformed(missing))
  })

  test.each([
    ['null', null, 'null'],
    ['a number', 1, 'number'],
    ['true', true, 'boolean'],
    ['an array', ['x'], 'array'],
    ['an object', { $ne: null }, 'object'],
    ['a thousand nested arrays', JSON.parse(`${'['.repeat(1000)}${']'.repeat(1000)}`) as unknown, 'array'],
  ])('names every field that is %s', async (_name, value, type) => {
    const body = JSON.stringify(Object.fromEntries(names.map((name) => [name, value])))

    expect(await post(body)).toEqual(malformed(Object.fromEntries(names.map((name) => [name, received(type)]))))
  })

  test.each([
    ['control characters', '\u0001\u001b[31m\u007f'],
    ['a NUL', 'a\0b'],
    ['a lone surrogate', 'a\ud800b'],
    ['the other half', '\udc00'],
    ['text from right to left', '\u202ea@b'],
    ['emoji', '\u{1f36a}'.repeat(20)],
    ['SQL', "' OR 1=1; DROP TABLE users; --"],
    ['line breaks', 'a\r\nSet-Cookie: x=y'],
    ['a name of a property', '__proto__'],
  ])('reads fields with %s, and finds nothing', async (_name, value) => {
    const body = JSON.stringify(Object.fromEntries(names.map((name) => [name, value])))

    expect(await post(body)).toEqual(READ)
  })

  test('reads bytes that are no UTF-8 as text that nothing matches', async () => {
    const body = new Uint8Array([...new TextEncoder().encode(good)].map((byte) => (byte === 0x78 ? 0xff : byte)))

    expect(await post(body)).toEqual(READ)
  })

  test('ignores fields that it does not know', async () => {
    expect(await post(JSON.stringify({ ...fields, remember: true, nested: [{ a: 1 }], body: null }))).toEqual(READ)
  })

  describe('with a body of', () => {
    test('16 KiB reads it', async () => {
      expect(padded(good, 16 * KIB)).toHaveLength(16 * KIB)
      expect(await post(padded(good, 16 * KIB))).toEqual(READ)
      expect(await post(streamed(padded(good, 16 * KIB)))).toEqual(READ)
    })

    test.each([
      ['one byte more', 16 * KIB + 1],
      ['17 KiB', 17 * KIB],
      ['1 MiB', KIB * KIB],
    ])('%s refuses it, announced or not', async (_name, size) => {
      const body = padded(good, size)

      expect(await post(body)).toEqual(TOO_LARGE)
      expect(await post(body, { ...json, 'Content-Length': String(size) })).toEqual(TOO_LARGE)
      expect(await post(streamed(body))).toEqual(TOO_LARGE)
      // A length beside chunks means nothing (RFC 9112 section 6.3), and one that is no number says nothing.
      const chunked = { ...json, 'Content-Length': '10', 'Transfer-Encoding': 'chunked' }
      expect(await post(streamed(body), chunked)).toEqual(TOO_LARGE)
      expect(await post(streamed(body), { ...json, 'Content-Length': 'short' })).toEqual(TOO_LARGE)
    })
  })
})

// Introspection takes one, as RFC 7662 asks; elsewhere a foreign page could send it without a preflight.
test.each(JSON_ROUTES.filter(({ path }) => path !== '/auth/token/introspect'))(
  'POST $path refuses a form',
  async ({ path, fields }) => {
    const body = new URLSearchParams(fields)

    expect(await callWithoutDatabase(path, { method: 'POST', body })).toEqual(NOT_JSON)
  },
)

describe('POST /auth/token', () => {
  test.each([
    [
      { primary_email: '', password: '' },
      {
        primary_email: ['Too small: expected string to have >=1 characters'],
        password: ['Too small: expected string to have >=1 characters'],
      },
    ],
    [
      { primary_email: `${'a'.repeat(243)}@example.com`, password: 'x' },
      {
        primary_email: ['Too big: expected string to have <=254 characters'],
      },
    ],
    [
      { primary_email: 'a@example.com', password: 'x'.repeat(1025) },
      { password: ['Too big: expected string to have <=1024 characters'] },
    ],
    [{ primary_email: 'a@example.com' }, { password: [STRING_MISSING] }],
    [{ password: 'x' }, { primary_email: [STRING_MISSING] }],
    [
      { primary_email: 5, password: null },
      { primary_email: received('number'), password: received('null') },
    ],
  ])('says what is wrong with %j', async (json, errors) => {
    expect(await callWithoutDatabase('/auth/token', { method: 'POST', json })).toEqual(malformed(errors))
  })

  test('takes a password of 1,024 characters', async () => {
    const json = { primary_email: 'nobody@example.com', password: 'x'.repeat(1024) }

    expect(await answer(await callWhichCounts('/auth/token', { method: 'POST', json }))).toEqual(NO_ACCOUNT)
  })
})
