/** What Have I Been Pwned is asked, and what its answers mean: found, not found, or no answer that anybody should wait for. */

import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'

import { isLeakedPassword, LeakCheckError } from '../../src/leaked-passwords.ts'

const PASSWORD = 'tarmac-owl-vivid café'
const HASH = createHash('sha1').update(PASSWORD).digest('hex').toUpperCase()
const [PREFIX, SUFFIX] = [HASH.slice(0, 5), HASH.slice(5)]

/** The rest of other hashes with this prefix. */
const OTHERS = ['0'.repeat(35), 'A1'.repeat(17) + 'F', 'F'.repeat(35)]

const received: IncomingMessage[] = []
let answer: (response: ServerResponse) => void
/** How many of the connections the asker has given up, or ended. */
let closed: Promise<unknown>
const server = createServer((request, response) => {
  received.push(request)
  closed = new Promise((resolve) => response.on('close', resolve))
  answer(response)
})
let url = ''

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/range/`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})
beforeEach(() => {
  received.length = 0
})

function answerWith(body: string, status = 200, headers: Record<string, string> = {}): void {
  answer = (response) => response.writeHead(status, headers).end(body)
}

function range(...counts: readonly (readonly [suffix: string, count: number])[]): string {
  return counts.map(([suffix, count]) => `${suffix}:${count}`).join('\r\n')
}

const others = OTHERS.map((suffix, i) => [suffix, i + 1] as const)

/** What was thrown, as the log would have it. */
async function failure(promise: Promise<boolean>): Promise<string> {
  const error = await promise.then(
    (found) => new Error(`answered ${found}`),
    (thrown: unknown) => thrown as Error,
  )
  expect(error).toBeInstanceOf(LeakCheckError)
  expect(error.cause).toBeUndefined()
  return error.message
}

describe('what leaves the Worker', () => {
  test('is five digits of the hash of the password in UTF-8, and nothing else of it', async () => {
    answerWith(range(...others))
    await isLeakedPassword(PASSWORD, url)
    expect(received.map(({ method, url: path }) => `${method} ${path}`)).toEqual([`GET /range/${PREFIX}`])
    const headers = received[0]?.headers ?? {}
    expect(headers['add-padding']).toBe('true')
    expect(headers['user-agent']).toBe('Tessera')
    expect(headers['content-length']).toBeUndefined()
    expect(JSON.stringify(headers)).not.toContain(SUFFIX.slice(0, 5))
  })

  describe('by default', () => {
    afterEach(() => {
      vi.restoreAllMocks()
    })

    test('goes to Have I Been Pwned', async () => {
      const fetched = vi.spyOn(globalThis, 'fetch').mockResolvedValue(new Response(range([SUFFIX, 7])))
      expect(await isLeakedPassword(PASSWORD)).toBe(true)
      expect(fetched.mock.calls.map(([address]) => address)).toEqual([`https://api.pwnedpasswords.com/range/${PREFIX}`])
    })
  })
})

describe('a password is leaked', () => {
  test.each([
    ['first', range([SUFFIX, 1], ...others)],
    ['last', range(...others, [SUFFIX, 12_345_678])],
    ['between others, with a line break at the end', `${range(...others.slice(1), [SUFFIX, 2], ...others)}\r\n`],
    ['with plain line breaks', range(...others, [SUFFIX, 2]).replaceAll('\r', '')],
  ])('that is found: %s', async (_name, body) => {
    answerWith(body)
    expect(await isLeakedPassword(PASSWORD, url)).toBe(true)
  })

  test('that is found in an answer of many parts', async () => {
    const parts = range(...others, [SUFFIX, 2]).match(/.{1,7}/gs) ?? []
    answer = (response) => {
      const part = parts.shift()
      if (part === undefined) response.end()
      else response.write(part, () => setImmediate(() => answer(response)))
    }
    expect(await isLeakedPassword(PASSWORD, url)).toBe(true)
  })
})

describe('a password is not leaked', () => {
  test.each([
    ['that is not found', range(...others)],
    ['that is padding', range(...others, [SUFFIX, 0])],
    ['of which only another start is found', range([SUFFIX.slice(0, -1) + (SUFFIX.endsWith('0') ? '1' : '0'), 3])],
  ])('%s', async (_name, body) => {
    answerWith(body)
    expect(await isLeakedPassword(PASSWORD, url)).toBe(false)
  })

  test('that is found in another case only', async () => {
    answerWith(range([SUFFIX, 5]))
    expect(await isLeakedPassword(PASSWORD.toUpperCase(), url)).toBe(false)
  })
})

describe('nobody can tell', () => {
  test.each([
    [500, 'HTTP 500'],
    [503, 'HTTP 503'],
    [429, 'HTTP 429'],
    [404, 'HTTP 404'],
    [204, 'HTTP 204'],
  ])('by an answer of %i', async (status, message) => {
    answerWith(status === 204 ? '' : range([SUFFIX, 9]), status)
    expect(await failure(isLeakedPassword(PASSWORD, url))).toBe(message)
  })

  test('by a redirect, which is not followed', async () => {
    answerWith('', 302, { Location: '/range/elsewhere' })
    expect(await failure(isLeakedPassword(PASSWORD, url))).toBe('HTTP 302')
    expect(received).toHaveLength(1)
  })

  test.each([
    ['nothing', ''],
    ['a page', '<!doctype html><title>Sign in to this network</title>'],
    ['JSON', '{"found":false}'],
    ['a line of another form among good ones', `${range(...others)}\r\nno\r\n${range([SUFFIX, 4])}`],
    ['a hash without a count', `${SUFFIX}\r\n${range(...others)}`],
    ['small letters', range([SUFFIX.toLowerCase(), 4])],
    ['whole hashes', range([HASH, 4])],
  ])('by %s', async (_name, body) => {
    answerWith(body)
    expect(await failure(isLeakedPassword(PASSWORD, url))).toBe('an answer of another form')
  })

  test('by an answer without an end, of which some is read and no more', async () => {
    answer = (response) => {
      const write = () => {
        while (!response.destroyed && response.write(`${range(...others)}\r\n`.repeat(100)));
        if (!response.destroyed) response.once('drain', write)
      }
      write()
    }
    expect(await failure(isLeakedPassword(PASSWORD, url))).toBe('an answer that is too long')
    await closed
  })

  test.each([
    ['no answer', () => undefined],
    ['an answer that stops', (response: ServerResponse) => response.writeHead(200).write(range([SUFFIX, 4]))],
  ])('by %s within a second, and the request is given up', async (_name, stalled) => {
    answer = stalled
    expect(await failure(isLeakedPassword(PASSWORD, url))).toBe('NoAnswer')
    await closed
  })

  test('by a connection that breaks', async () => {
    answer = (response) => response.destroy()
    expect(await failure(isLeakedPassword(PASSWORD, url))).toBe('TypeError')
  })

  test('by an answer that breaks off', async () => {
    answer = (response) => {
      response.writeHead(200, { 'Content-Length': '1000' }).write(range([SUFFIX, 4]), () => response.destroy())
    }
    expect(await failure(isLeakedPassword(PASSWORD, url))).toBe('TypeError')
  })

  test('by an address where nobody listens, whose name the log does not get', async () => {
    expect(await failure(isLeakedPassword(PASSWORD, 'http://127.0.0.1:1/range/'))).toBe('TypeError')
    expect(await failure(isLeakedPassword(PASSWORD, 'no address '))).toBe('TypeError')
  })
})
