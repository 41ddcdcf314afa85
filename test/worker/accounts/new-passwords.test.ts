/** New passwords in the Worker: its real list of the most used ones, and a Have I Been Pwned that a test answers for. */

import { createHash } from 'node:crypto'

import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, test, vi } from 'vitest'

import { brokenRule } from '../../../src/domain/accounts/password-rules.ts'
import type { Services } from '../../../src/domain/services.ts'
import type { LogEvent } from '../../../src/log.ts'
import { PLATFORM, runtimeFor } from '../../../src/services.ts'

const EMAIL = 'jane.doe@example.com'
const GOOD = 'tarmac-owl-vivid'

async function servicesWith(settings: Partial<Env>, logged: LogEvent[] = []): Promise<Services> {
  const runtime = await runtimeFor({ ...env, ...settings }, { ...PLATFORM, log: (event) => logged.push(event) })
  return runtime.services
}

afterEach(() => {
  vi.restoreAllMocks()
})

describe('the list of the Worker', () => {
  test.each([
    ['passwordstandard', 'common'],
    ['Password123456!', 'common'],
    ['dragondragondragon', 'common'],
    ['correct horse battery', null],
    [GOOD, null],
  ])('%s: %s', async (password, rule) => {
    expect(await brokenRule(await servicesWith({}), { password, email: EMAIL })).toBe(rule)
  })
})

describe('with PASSWORD_CHECK=hibp', () => {
  const hibp = { PASSWORD_CHECK: 'hibp' } as Partial<Env>
  const hash = createHash('sha1').update(GOOD).digest('hex').toUpperCase()

  test.each([
    ['known', `${hash.slice(5)}:3\r\n${'0'.repeat(35)}:1`, 'leaked'],
    ['padding', `${hash.slice(5)}:0\r\n${'0'.repeat(35)}:1`, null],
    ['unknown', `${'0'.repeat(35)}:1`, null],
  ])('a password that is %s there', async (_name, body, rule) => {
    const fetched = vi.spyOn(globalThis, 'fetch').mockResolvedValue(new Response(body))
    const logged: LogEvent[] = []
    expect(await brokenRule(await servicesWith(hibp, logged), { password: GOOD, email: EMAIL })).toBe(rule)
    const [[address, init] = []] = fetched.mock.calls
    const url = `https://api.pwnedpasswords.com/range/${hash.slice(0, 5)}`
    expect(address).toBe(url)
    // The runtime takes the options, which a spy alone would not show.
    expect(new Request(url, init).headers.get('Add-Padding')).toBe('true')
    expect(logged).toEqual([])
  })

  test.each([
    ['fails', () => Promise.resolve(new Response('', { status: 500 })), 'LeakCheckError: HTTP 500'],
    ['cannot be reached', () => Promise.reject(new TypeError(`no ${hash}`)), 'LeakCheckError: TypeError'],
    ['stays silent', () => new Promise<never>(() => {}), 'LeakCheckError: NoAnswer'],
    ['never ends', () => Promise.resolve(new Response(endless())), 'LeakCheckError: an answer that is too long'],
  ])('a password is taken where it %s', async (_name, answer, error) => {
    vi.spyOn(globalThis, 'fetch').mockImplementation(answer)
    const logged: LogEvent[] = []
    expect(await brokenRule(await servicesWith(hibp, logged), { password: GOOD, email: EMAIL })).toBe(null)
    expect(logged).toEqual([{ event: 'password_check_failed', error }])
  })

  test('nobody is asked without it', async () => {
    const fetched = vi.spyOn(globalThis, 'fetch').mockRejectedValue(new Error('asked'))
    expect(await brokenRule(await servicesWith({}), { password: GOOD, email: EMAIL })).toBe(null)
    expect(fetched).not.toHaveBeenCalled()
  })
})

function endless(): ReadableStream<Uint8Array> {
  const line = new TextEncoder().encode(`${'0'.repeat(35)}:1\r\n`.repeat(100))
  return new ReadableStream({ pull: (controller) => controller.enqueue(line) })
}
