/** What the answer of a mail service means for the mail: sent, worth another try, or refused for good. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'

import { apiTransport } from '../../../src/mail/transports/api.ts'
import { cloudflareTransport } from '../../../src/mail/transports/cloudflare.ts'
import { type Mail, MailError, type Transport } from '../../../src/mail/transports/transport.ts'

const MAIL: Mail = {
  to: 'somebody@example.com',
  subject: 'Subject',
  text: 'Text\n',
  html: '<p>Text</p>',
  idempotencyKey: '0b8f1a5e-3c9d-4f0e-9d3c-1f2e3d4c5b6a',
}

/** What a transport threw; `null` when it took the mail. */
async function failure(transport: Transport): Promise<unknown> {
  return transport(MAIL).then(
    () => null,
    (error: unknown) => error,
  )
}

function mailError(error: unknown) {
  if (!(error instanceof MailError)) throw new Error('not a MailError', { cause: error })
  const { name, message, permanent, retryAfterSeconds } = error
  return { name, message, permanent, retryAfterSeconds }
}

describe('a mail API', () => {
  interface Received {
    readonly method: string | undefined
    readonly path: string | undefined
    readonly headers: IncomingMessage['headers']
    readonly body: unknown
  }

  const received: Received[] = []
  let answer: (response: ServerResponse) => void
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method, url: path, headers } = request
      received.push({ method, path, headers, body: JSON.parse(Buffer.concat(chunks).toString() || 'null') })
      answer(response)
    })
  })
  let url = ''

  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/emails`
  })
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })
  beforeEach(() => {
    received.length = 0
  })

  function api(key: string | undefined = 're_key'): Transport {
    return apiTransport({ url, key, from: 'Tessera <tessera@example.com>' })
  }

  function answerWith(status: number, headers: Record<string, string> = {}, body = '{"message":"no"}'): void {
    answer = (response) => response.writeHead(status, headers).end(body)
  }

  test('is given the whole mail, its key, and an idempotency key', async () => {
    answerWith(200, {}, '{"id":"1"}')
    await expect(api()(MAIL)).resolves.toBeUndefined()
    expect(received).toHaveLength(1)
    const [{ method, path, headers, body } = { method: '', path: '', headers: {}, body: null }] = received
    expect([method, path]).toEqual(['POST', '/emails'])
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'idempotency-key': MAIL.idempotencyKey,
      authorization: 'Bearer re_key',
    })
    const { to, subject, text, html } = MAIL
    expect(body).toEqual({ from: 'Tessera <tessera@example.com>', to, subject, text, html })
  })

  test('without a key is asked without one', async () => {
    answerWith(202)
    await expect(apiTransport({ url, key: undefined, from: 'a@example.com' })(MAIL)).resolves.toBeUndefined()
    expect(received[0]?.headers.authorization).toBeUndefined()
  })

  test.each([
    [400, true],
    [401, true],
    [403, true],
    [404, true],
    [408, false],
    [409, false],
    [410, true],
    [413, true],
    [422, true],
    [424, true],
    [425, false],
    [429, false],
    [499, true],
    [500, false],
    [502, false],
    [503, false],
    [599, false],
  ])('that answers %i: permanent %s', async (status, permanent) => {
    answerWith(status)
    expect(mailError(await failure(api()))).toEqual({
      name: 'MailError',
      message: `HTTP ${status}: {"message":"no"}`,
      permanent,
      retryAfterSeconds: 0,
    })
    expect(received).toHaveLength(1)
  })

  test.each([
    ['120', 120],
    ['0', 0],
    ['999999', 999_999],
    ['1000000', 0],
    ['Fri, 15 Jan 2027 08:00:00 GMT', 0],
    ['-1', 0],
    ['1.5', 0],
    ['soon', 0],
  ])('that asks to be left alone for %j', async (value, retryAfterSeconds) => {
    for (const status of [429, 503]) {
      answerWith(status, { 'Retry-After': value })
      expect(mailError(await failure(api()))).toEqual({
        name: 'MailError',
        message: `HTTP ${status}: {"message":"no"}`,
        permanent: false,
        retryAfterSeconds,
      })
    }
  })

  test.each([301, 302, 303, 307, 308])('that answers %i is not followed: the key is for it alone', async (status) => {
    answerWith(status, { Location: '/elsewhere' })
    expect(mailError(await failure(api()))).toMatchObject({
      message: `HTTP ${status}: {"message":"no"}`,
      permanent: true,
    })
    expect(received.map(({ path }) => path)).toEqual(['/emails'])
  })

  test.each([
    [200, null],
    [500, { name: 'MailError', message: 'HTTP 500: no sender', permanent: false, retryAfterSeconds: 0 }],
  ])('whose answer of %i never ends has answered', async (status, expected) => {
    let closed: Promise<unknown> = Promise.resolve()
    answer = (response) => {
      closed = new Promise((resolve) => response.on('close', resolve))
      response.writeHead(status).write('no sender somebo')
    }
    const error = await failure(api())
    expect(error === null ? null : mailError(error)).toEqual(expected)
    // And it is not listened to any longer.
    await closed
  })

  test('that floods its answer is heard for 2 KiB', async () => {
    let closed: Promise<unknown> = Promise.resolve()
    answer = (response) => {
      closed = new Promise((resolve) => response.on('close', resolve))
      const flood = () => void response.write('no '.repeat(1000), () => !response.closed && setImmediate(flood))
      response.writeHead(500)
      flood()
    }
    const start = performance.now()
    expect(mailError(await failure(api())).message).toBe(`HTTP 500: ${'no '.repeat(67).slice(0, 200)}`)
    // Well before the two seconds that a slow answer is given.
    expect(performance.now() - start).toBeLessThan(1000)
    await closed
  })

  test('whose answer breaks off is quoted as far as it came', async () => {
    answer = (response) => {
      response.writeHead(422, { 'Content-Length': '100' }).write('the sender is not kn', () => {
        setTimeout(() => response.destroy(), 50)
      })
    }
    expect(mailError(await failure(api()))).toMatchObject({ message: 'HTTP 422: the sender is not', permanent: true })
  })

  test.each([
    ['its key', 'API key re_key is not valid', 'API key [withheld] is not valid'],
    ['the recipient', 'no mail to somebody@example.com, sorry', 'no mail to [withheld], sorry'],
    ['another spelling of the recipient', '<SOMEBODY@Example.com> SOMEBODY%40example.com', '<[address]> [address]'],
    ['any other address', 'from a.b+c@example.org (x)', 'from [address] (x)'],
    ['a link', '{"href":"https://auth.example.com/links/end?token=abc"}', '{"href":"[link]"}'],
    ['a link as JSON may have it', '"https:\\/\\/auth.example.com\\/links?token=abc"', '"[link]"'],
    ['a token', `token eyJhbGciOiJIUzI1NiJ9.${'x'.repeat(80)}.${'y'.repeat(43)}`, 'token [token]'],
    [
      'line breaks and control characters',
      'a\r\nSet-Cookie: x\u0000\u001b[31m\u202e\u2028b\n',
      'a Set-Cookie: x [31m b',
    ],
    ['its first 200 characters', 'word '.repeat(100), 'word '.repeat(40)],
    ['characters and no halves of them', '\u{1f36a}'.repeat(300), '\u{1f36a}'.repeat(200)],
    ['the name of an error', 'E_SENDER_DOMAIN_NOT_AVAILABLE', 'E_SENDER_DOMAIN_NOT_AVAILABLE'],
  ])('is quoted on one line, without what is secret: %s', async (_name, words, quoted) => {
    answerWith(422, {}, words)
    expect(mailError(await failure(api())).message).toBe(`HTTP 422: ${quoted}`)
  })

  test.each(['', ' \r\n\u0000'])('that gives no reason is quoted by its status: %j', async (words) => {
    answerWith(422, {}, words)
    expect(mailError(await failure(api())).message).toBe('HTTP 422')
  })

  test('that hangs up is worth another try', async () => {
    answer = (response) => response.destroy()
    const error = await failure(api())
    expect(error).toBeInstanceOf(TypeError)
    expect(String(error)).toBe('TypeError: fetch failed')
  })

  test('that is not there is worth another try', async () => {
    const gone = createServer()
    await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve))
    const { port } = gone.address() as AddressInfo
    await new Promise((resolve) => gone.close(resolve))
    const error = await failure(
      apiTransport({ url: `http://127.0.0.1:${port}/`, key: 're_key', from: 'a@example.com' }),
    )
    expect(String(error)).toBe('TypeError: fetch failed')
  })

  test('that does not answer within ten seconds is worth another try', async () => {
    answer = () => {}
    const timeout = AbortSignal.timeout.bind(AbortSignal)
    // A second is five milliseconds long here.
    const clock = vi.spyOn(AbortSignal, 'timeout').mockImplementation((delay) => timeout(delay / 200))
    try {
      const error = await failure(api())
      expect(error).toBeInstanceOf(DOMException)
      expect((error as DOMException).name).toBe('TimeoutError')
      expect(clock.mock.calls).toEqual([[10_000]])
    } finally {
      clock.mockRestore()
    }
  })
})

function binding(send: (mail: unknown) => Promise<unknown>): SendEmail {
  return { send } as SendEmail
}

describe('the send_email binding', () => {
  test('is given the whole mail', async () => {
    const sent: unknown[] = []
    const transport = cloudflareTransport(
      binding(async (mail) => sent.push(mail)),
      'tessera@example.com',
    )
    await expect(transport(MAIL)).resolves.toBeUndefined()
    const { to, subject, text, html } = MAIL
    expect(sent).toEqual([{ from: 'tessera@example.com', to, subject, text, html }])
  })

  test('that does not answer within ten seconds is worth another try', async () => {
    vi.useFakeTimers()
    try {
      const transport = cloudflareTransport(
        binding(() => new Promise(() => {})),
        'tessera@example.com',
      )
      let error: unknown
      const failed = failure(transport).then((thrown) => (error = thrown))
      await vi.advanceTimersByTimeAsync(9999)
      expect(error).toBeUndefined()
      await vi.advanceTimersByTimeAsync(1)
      await failed
      expect(mailError(error)).toEqual({
        name: 'MailError',
        message: 'no answer in time',
        permanent: false,
        retryAfterSeconds: 0,
      })
    } finally {
      vi.useRealTimers()
    }
  })

  test.each([
    ['E_VALIDATION_ERROR', true],
    ['E_FIELD_MISSING', true],
    ['E_TOO_MANY_RECIPIENTS', true],
    ['E_SENDER_NOT_VERIFIED', true],
    ['E_SENDER_DOMAIN_NOT_AVAILABLE', true],
    ['E_RECIPIENT_NOT_ALLOWED', true],
    ['E_RECIPIENT_SUPPRESSED', true],
    ['E_CONTENT_TOO_LARGE', true],
    ['E_HEADER_NOT_ALLOWED', true],
    ['E_RATE_LIMIT_EXCEEDED', false],
    ['E_DAILY_LIMIT_EXCEEDED', false],
    ['E_DELIVERY_FAILED', false],
    ['E_INTERNAL_SERVER_ERROR', false],
    ['E_SOMETHING_NEW', false],
  ])('that fails with %s: permanent %s', async (code, permanent) => {
    const error = Object.assign(new Error('somebody@example.com was refused'), { code })
    const transport = cloudflareTransport(
      binding(() => Promise.reject(error)),
      'tessera@example.com',
    )
    expect(mailError(await failure(transport))).toEqual({
      name: 'MailError',
      message: `${code}: [withheld] was refused`,
      permanent,
      retryAfterSeconds: 0,
    })
  })

  test.each([
    ['no code', new Error('somebody@example.com was refused'), 'send_email failed: [withheld] was refused'],
    [
      'a code that is no text',
      Object.assign(new Error('nobody@example.com'), { code: 550 }),
      'send_email failed: [address]',
    ],
    ['no error at all', 'somebody@example.com', 'send_email failed'],
    ['more than 2,048 characters', new Error(`${' '.repeat(2048)}never read`), 'send_email failed'],
  ])('that fails with %s is worth another try', async (_name, error, message) => {
    const transport = cloudflareTransport(
      binding(async () => {
        throw error
      }),
      'tessera@example.com',
    )
    expect(mailError(await failure(transport))).toEqual({
      name: 'MailError',
      message,
      permanent: false,
      retryAfterSeconds: 0,
    })
  })
})
