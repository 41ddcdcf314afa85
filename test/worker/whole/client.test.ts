/**
 * The client, in workerd and before the real Worker: one refresh for all who wait, the same token again after trouble, and no pair that gets
 * lost. In real tabs, with what browsers have, it runs in test/browser.
 */

import { beforeEach, describe, expect, test, vi } from 'vitest'

import { dpopInMemory } from '../../../src/client/dpop.ts'
import { inMemory } from '../../../src/client/storage.ts'
import { PASSWORD } from '../../support/accounts.ts'
import { DIRECTLY, openDevice, signedIn, type Way } from '../../support/client-world.ts'
import { ELSEWHERE, ORIGIN } from '../../support/worker.ts'

const ME = `${ORIGIN}/auth/me`
const REFRESH = '/auth/token/refresh'
const WINDOW = { REFRESH_REUSE_SECONDS: '10' }

/** How long the client waits between two tries, and for an answer, in milliseconds. */
const WAITS = new Set<number | undefined>([200, 1000, 4000])

beforeEach(() => {
  const wait = globalThis.setTimeout
  const hurry = vi.spyOn(globalThis, 'setTimeout')
  hurry.mockImplementation((work: () => void, ms?: number) => wait(work, WAITS.has(ms) ? Number(ms) / 10 : ms))
  return () => vi.restoreAllMocks()
})

/** Refreshes whose answers get lost, the first `count` of them: Tessera has done what they asked. */
function losing(count: number): Way {
  let lost = 0
  return async ({ url }, go) => {
    const answer = await go()
    if (url.endsWith(REFRESH) && lost++ < count) throw new TypeError('network connection lost')
    return answer
  }
}

/** Refreshes that are answered by something else than Tessera. */
function answering(make: () => Response): Way {
  return ({ url }, go) => (url.endsWith(REFRESH) ? Promise.resolve(make()) : go())
}

function times<Result>(count: number, make: () => Result): Result[] {
  return Array.from({ length: count }, make)
}

async function statusesOf(answers: Promise<Response>[]): Promise<number[]> {
  return (await Promise.all(answers)).map(({ status }) => status)
}

describe('somebody', () => {
  test('signs in, is who they are, and signs out, which ends the session', async () => {
    const device = await openDevice()
    const tab = await signedIn(device)
    const { id, guid, email } = device.account
    expect(await tab.user()).toEqual({ user_id: id, guid, email, group: 'user', confirmed: true })
    expect(await device.liveSessions()).toBe(1)
    expect(await tab.signOut()).toBe(true)
    expect([await device.liveSessions(), await device.kept(), await tab.user()]).toEqual([0, null, null])
    expect((await tab.fetch(ME)).status).toBe(401)
  })

  test('with a wrong password is told why, and nothing is kept', async () => {
    const device = await openDevice()
    const answer = await device.openTab().signIn(device.account.email ?? '', 'wrong')
    expect(answer).toMatchObject({ ok: false, code: 'no_active_account', status: 401 })
    expect(await device.kept()).toBeNull()
  })

  test('who signs out while Tessera cannot be reached is told so, and is signed out here', async () => {
    const device = await openDevice()
    const tab = await signedIn(device)
    device.via(() => Promise.reject(new TypeError('no network')))
    expect([await tab.signOut(), await device.kept(), await device.liveSessions()]).toEqual([false, null, 1])
  })

  test('is signed in again by the next program that finds the pair', async () => {
    const device = await openDevice()
    await signedIn(device)
    expect(await device.openTab().user()).toMatchObject({ email: device.account.email })
  })
})

describe('an access token that is over', () => {
  test.each([
    ['by the clock of the device', true, 8],
    ['by the word of the server', false, 16],
  ])('%s is renewed once for eight requests', async (_name, known, asked) => {
    const device = await openDevice()
    const tab = await signedIn(device)
    await device.expire(known)
    expect(await statusesOf(times(8, () => tab.fetch(ME)))).toEqual(times(8, () => 200))
    expect([device.sent(REFRESH), device.sent('/auth/me')]).toEqual([1, asked])
  })

  test('lets a body be sent twice, whole', async () => {
    const device = await openDevice()
    const tab = await signedIn(device)
    const bodies: string[] = []
    device.via(async (request, go) => {
      if (!request.url.endsWith('/orders')) return go()
      bodies.push(request.headers.get('Content-Type') ?? '')
      return new Response(null, { status: bodies.length === 1 ? 401 : 201 })
    })
    const form = new FormData()
    form.set('name', 'Ada')
    expect((await tab.fetch(`${ORIGIN}/orders`, { method: 'POST', body: form })).status).toBe(201)
    expect(bodies[0]).toMatch(/^multipart\/form-data; boundary=/)
    expect(bodies[1]).toBe(bodies[0])
  })

  test('of another API that refuses each new one makes one refresh, and not one a request', async () => {
    const device = await openDevice()
    const tab = await signedIn(device)
    device.via(({ url }, go) => (url.endsWith('/orders') ? Promise.resolve(new Response(null, { status: 401 })) : go()))
    for (let i = 0; i < 5; i++) expect((await tab.fetch(`${ORIGIN}/orders`)).status).toBe(401)
    expect(device.sent(REFRESH)).toBe(1)
  })
})

describe('three tabs with one storage and no locks', () => {
  test.each(['0', '10'])('and a window of %s s all go on, in one session', async (seconds) => {
    const device = await openDevice({ REFRESH_REUSE_SECONDS: seconds })
    const onSignedOut = vi.fn()
    await signedIn(device)
    const tabs = times(3, () => device.openTab({ onSignedOut }))
    for (let round = 0; round < 3; round++) {
      await device.expire()
      const answers = tabs.flatMap((tab) => times(8, () => tab.fetch(ME)))
      expect(await statusesOf(answers)).toEqual(times(24, () => 200))
    }
    expect([await device.liveSessions(), onSignedOut.mock.calls]).toEqual([1, []])
  })
})

test('a tab that was slower waits for the pair of the faster one, which is still on its way', async () => {
  const device = await openDevice()
  const onSignedOut = vi.fn()
  const fast = await signedIn(device)
  const slow = device.openTab({ onSignedOut })
  await device.expire(true)
  const refused = Promise.withResolvers<undefined>()
  device.via(async ({ url }, go) => {
    const answer = await go()
    if (url.endsWith(REFRESH) && answer.ok) {
      await refused.promise
      await new Promise((resolve) => setTimeout(resolve, 300))
    } else if (url.endsWith(REFRESH)) refused.resolve(undefined)
    return answer
  })
  expect(await statusesOf([fast.fetch(ME), slow.fetch(ME)])).toEqual([200, 200])
  expect([device.sent(REFRESH), onSignedOut.mock.calls]).toEqual([2, []])
})

describe('trouble', () => {
  test('an answer that got lost comes at the next try, with the same token', async () => {
    const device = await openDevice(WINDOW)
    const tab = await signedIn(device)
    await device.expire()
    device.via(losing(2))
    expect((await tab.fetch(ME)).status).toBe(200)
    expect([device.sent(REFRESH), await device.liveSessions()]).toEqual([3, 1])
  })

  test('an answer that never comes is given up, and asked for again', async () => {
    const device = await openDevice(WINDOW)
    const tab = await signedIn(device)
    await device.expire()
    let asked = 0
    device.via(async (request, go) => {
      const answer = await go()
      if (!request.url.endsWith(REFRESH) || asked++ > 0) return answer
      return new Promise((_resolve, reject) =>
        request.signal.addEventListener('abort', () => reject(new Error('over'))),
      )
    })
    expect((await tab.fetch(ME)).status).toBe(200)
    expect(device.sent(REFRESH)).toBe(2)
  })

  test.each([
    ['no network', () => Promise.reject(new TypeError('no network')), TypeError],
    ['a 401 of something else', async () => new Response('Unauthorized', { status: 401 }), Error],
    ['a proof that is refused', async () => problem(401, 'dpop_proof_not_valid'), Error],
    ['half an answer', async () => new Response('{"access":'), SyntaxError],
    ['a page of a network that wants people to sign in', async () => new Response('<h1>Welcome</h1>'), SyntaxError],
  ])('%s rejects, and the pair is good afterwards', async (_name, trouble, error) => {
    const device = await openDevice()
    const onSignedOut = vi.fn()
    const tab = await signedIn(device, { onSignedOut })
    await device.expire(true)
    const before = await device.kept()
    device.via(trouble)
    await expect(tab.fetch(ME)).rejects.toThrow(error)
    expect(await device.kept()).toEqual(before)
    device.via(DIRECTLY)
    expect((await tab.fetch(ME)).status).toBe(200)
    expect(onSignedOut).not.toHaveBeenCalled()
  })

  test.each([
    ['503', () => Response.json({ code: 'unavailable' }, { status: 503 }), 503, 3],
    ['503 for a minute', () => problem(503, 'unavailable', { 'Retry-After': '60' }), 503, 1],
    ['429', () => problem(429, 'too_many_requests', { 'Retry-After': '60' }), 429, 1],
    ['421', () => problem(421, 'misdirected'), 421, 1],
  ])('%s is the answer, after %#, and the pair is good afterwards', async (_name, make, status, tries) => {
    const device = await openDevice()
    const onSignedOut = vi.fn()
    const tab = await signedIn(device, { onSignedOut })
    await device.expire(true)
    device.via(answering(make))
    const answers = await Promise.all(times(3, () => tab.fetch(ME)))
    expect(answers.map((answer) => answer.status)).toEqual(times(3, () => status))
    // Each has a body of its own to read.
    expect(new Set(await Promise.all(answers.map((answer) => answer.text()))).size).toBe(1)
    expect(device.sent(REFRESH)).toBe(tries)
    device.via(DIRECTLY)
    expect((await tab.fetch(ME)).status).toBe(200)
    expect(onSignedOut).not.toHaveBeenCalled()
  })
})

function problem(status: number, code: string, headers: Record<string, string> = {}): Response {
  return Response.json({ code }, { status, headers })
}

describe('a refusal', () => {
  test('signs out once, with its reason, whoever waits', async () => {
    const device = await openDevice()
    const onSignedOut = vi.fn()
    const tab = await signedIn(device, { onSignedOut })
    await device.expire()
    device.move(ELSEWHERE)
    const answers = await Promise.all(times(8, () => tab.fetch(ME)))
    expect(await Promise.all(answers.map((answer) => answer.json()))).toEqual(
      times(8, () => expect.objectContaining({ code: 'location_blocked' })),
    )
    expect([onSignedOut.mock.calls, await device.kept()]).toEqual([[['location_blocked']], null])
  })

  test('of a token that was used long ago is a reason, too', async () => {
    const device = await openDevice()
    const onSignedOut = vi.fn()
    const tab = await signedIn(device, { onSignedOut })
    const before = await device.kept()
    await device.expire(true)
    await tab.fetch(ME)
    await device.keep({ ...before, over: 0 })
    expect(await (await tab.fetch(ME)).json()).toMatchObject({ code: 'token_used' })
    expect(onSignedOut.mock.calls).toEqual([['token_used']])
  })

  test('of a text that is no token is one as well: nobody is stuck with it', async () => {
    const device = await openDevice()
    const onSignedOut = vi.fn()
    const tab = await signedIn(device, { onSignedOut })
    await device.keep({ refresh: 'damaged', over: 0 })
    await tab.fetch(ME)
    expect([onSignedOut.mock.calls, await device.kept()]).toEqual([[['wrong_data_structure']], null])
  })

  test('that comes after somebody has signed in again is none', async () => {
    const device = await openDevice()
    const onSignedOut = vi.fn()
    const tab = await signedIn(device, { onSignedOut })
    await device.expire(true)
    device.move(ELSEWHERE)
    device.via(async ({ url }, go) => {
      const answer = await go()
      if (url.endsWith(REFRESH)) await signedIn(device)
      return answer
    })
    expect((await tab.fetch(ME)).status).toBe(200)
    expect(onSignedOut).not.toHaveBeenCalled()
  })
})

describe('storage', () => {
  test('that keeps nothing any more loses no pair: it is used, and kept as soon as that works', async () => {
    const device = await openDevice()
    const { storage } = device
    const tab = await signedIn(device)
    await device.expire(true)
    const save = vi.spyOn(storage, 'save').mockRejectedValue(new Error('the disk is full'))
    expect((await tab.fetch(ME)).status).toBe(200)
    expect((await tab.fetch(ME)).status).toBe(200)
    expect(device.sent(REFRESH)).toBe(1)
    save.mockRestore()
    expect((await tab.fetch(ME)).status).toBe(200)
    // A program that starts now finds the pair that is alive.
    await device.expire(true)
    expect((await device.openTab().fetch(ME)).status).toBe(200)
  })

  test('that cannot be read now, as on a phone that is locked, is trouble: nobody is signed out, and no pair is lost', async () => {
    const device = await openDevice()
    const { storage } = device
    const onSignedOut = vi.fn()
    const tab = await signedIn(device, { onSignedOut })
    const load = vi.spyOn(storage, 'load').mockRejectedValue(new Error('locked'))
    await expect(tab.fetch(ME)).rejects.toThrow('locked')
    load.mockRestore()
    await device.expire(true)
    // It is locked between the request and its answer.
    device.via(async ({ url }, go) => {
      const answer = await go()
      if (url.endsWith(REFRESH)) vi.spyOn(storage, 'load').mockRejectedValueOnce(new Error('locked'))
      return answer
    })
    expect((await tab.fetch(ME)).status).toBe(200)
    await device.expire(true)
    expect((await device.openTab().fetch(ME)).status).toBe(200)
    expect(onSignedOut).not.toHaveBeenCalled()
  })

  test('with something else in it has no pair', async () => {
    const device = await openDevice()
    for (const text of ['{', '5', '{"access":"a"}', '{"access":1,"refresh":"r"}', 'null']) {
      await device.storage.save(text)
      expect((await device.openTab().fetch(ME)).status).toBe(401)
    }
  })

  test('of two tabs with two pairs: the newer one counts, also beside one that could not be kept', async () => {
    const device = await openDevice()
    const tab = await signedIn(device)
    await device.expire(true)
    vi.spyOn(device.storage, 'save').mockRejectedValueOnce(new Error('full'))
    await tab.fetch(ME)
    await signedIn(device)
    const newer = (await device.kept())?.refresh
    await tab.fetch(ME)
    expect((await device.kept())?.refresh).toBe(newer)
  })
})

describe('storage that takes its time', () => {
  test.each([0, 5, 15, 25, 35])(
    'ends with the last word: signed out, or the other person, %i ms after a refresh began',
    async (ms) => {
      const device = await openDevice()
      const other = await openDevice({}, device.storage)
      const { load, save } = device.storage
      const slowly = async <T>(work: () => Promise<T>) => (await pause(10), work())
      const storage = { load: () => slowly(load), save: (text: string | null) => slowly(() => save(text)) }
      const tab = await signedIn(device, { storage })
      await device.expire(true)
      const refreshing = tab.fetch(ME)
      await pause(ms)
      await tab.signOut()
      await refreshing
      expect(await device.kept()).toBeNull()

      await signedIn(device, { storage })
      await device.expire(true)
      const again = tab.fetch(ME)
      await pause(ms)
      await tab.signIn(other.account.email ?? '', PASSWORD)
      await again
      expect((await device.kept())?.sub).toBe(other.account.guid)
    },
  )

  test('and refuses a new pair does not leave that of the person before', async () => {
    const device = await openDevice()
    const other = await openDevice({}, device.storage)
    await signedIn(other)
    const tab = device.openTab()
    vi.spyOn(device.storage, 'save').mockRejectedValue(new Error('full'))
    expect(await tab.signIn(device.account.email ?? '', PASSWORD)).toEqual({ ok: true })
    expect(await tab.user()).toMatchObject({ guid: device.account.guid })
  })

  test('and cannot forget a pair does not keep its session alive', async () => {
    const device = await openDevice()
    const tab = await signedIn(device)
    vi.spyOn(device.storage, 'save').mockRejectedValue(new Error('full'))
    await expect(tab.signOut()).rejects.toThrow('full')
    expect(await device.liveSessions()).toBe(0)
  })

  test('and has the pair of another Tessera has none of this one', async () => {
    const device = await openDevice()
    await signedIn(device)
    const sent: string[] = []
    const elsewhere = device.openTab({
      url: 'https://other.example.com',
      fetch: async ({ url }) => (sent.push(url), new Response()),
    })
    expect(await elsewhere.user()).toBeNull()
    expect(sent).toEqual([])
  })
})

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

test('a clock that goes back while a tab waits for another one makes it wait no longer', async () => {
  const device = await openDevice()
  const tab = await signedIn(device)
  const before = await device.kept()
  await device.expire(true)
  await tab.fetch(ME)
  await device.keep({ ...before, over: 0 })
  const now = Date.now()
  device.via(async (_request, go) => {
    const answer = await go()
    vi.spyOn(Date, 'now').mockReturnValue(now - 3_600_000)
    return answer
  })
  expect(await (await tab.fetch(ME)).json()).toMatchObject({ code: 'token_used' })
})

describe('meanwhile', () => {
  test('somebody who signed out stays so, whatever a refresh brings', async () => {
    const device = await openDevice()
    const tab = await signedIn(device)
    await device.expire(true)
    device.via(async ({ url }, go) => {
      if (url.endsWith(REFRESH)) await device.openTab().signOut()
      return go()
    })
    expect((await tab.fetch(ME)).status).toBe(401)
    expect([await device.kept(), await device.liveSessions()]).toEqual([null, 0])
  })

  test('a pair that came after a sign-out is not kept', async () => {
    const device = await openDevice()
    const tab = await signedIn(device)
    await device.expire(true)
    device.via(async ({ url }, go) => {
      const answer = await go()
      if (url.endsWith(REFRESH)) await device.openTab().signOut()
      return answer
    })
    expect((await tab.fetch(ME)).status).toBe(401)
    expect([await device.kept(), await device.liveSessions()]).toEqual([null, 0])
  })

  test('another person who signed in does not send what the first one asked for', async () => {
    const device = await openDevice()
    const other = await openDevice({}, device.storage)
    const tab = await signedIn(device)
    const asked: (string | null)[] = []
    device.via(async (request, go) => {
      if (request.url.endsWith('/orders')) asked.push(request.headers.get('Authorization'))
      if (!request.url.endsWith('/orders')) return go()
      await signedIn(other)
      return new Response(null, { status: 401 })
    })
    expect((await tab.fetch(`${ORIGIN}/orders`, { method: 'DELETE' })).status).toBe(401)
    expect(asked).toHaveLength(1)
  })
})

describe('the access token', () => {
  test('goes to origins that may have it, and to no other', async () => {
    const device = await openDevice()
    const tab = await signedIn(device, { apis: ['https://api.example.com'] })
    const seen: string[] = []
    device.via(async (request) => {
      seen.push(`${request.url} ${request.headers.get('Authorization')?.slice(0, 7)}`)
      return new Response()
    })
    await tab.fetch('https://api.example.com/orders')
    for (const url of ['https://evil.example/', 'http://api.example.com/', 'https://api.example.com.evil.example/']) {
      await expect(tab.fetch(url)).rejects.toThrow('is not among `apis`')
    }
    expect(seen).toEqual(['https://api.example.com/orders Bearer '])
  })
})

describe('a key of the client', () => {
  test('is asked for at each refresh: a copy of the pair is of no use, and the owner goes on', async () => {
    const device = await openDevice()
    const tab = await signedIn(device, { dpop: dpopInMemory() })
    await device.expire(true)
    const thief = device.openTab({ storage: inMemory() })
    expect(await thief.user()).toBeNull()
    const stolen = await device.worker.call(REFRESH, {
      method: 'POST',
      json: { refresh: (await device.kept())?.refresh },
      ip: ELSEWHERE,
    })
    expect(await stolen.json()).toMatchObject({ code: 'dpop_proof_not_valid' })
    // A new place ends nothing, since the key has proved who it is.
    device.move(ELSEWHERE)
    expect((await tab.fetch(ME)).status).toBe(200)
  })

  test('heals a lost answer without a window', async () => {
    const device = await openDevice()
    const tab = await signedIn(device, { dpop: dpopInMemory() })
    await device.expire(true)
    device.via(losing(2))
    expect((await tab.fetch(ME)).status).toBe(200)
  })

  test('proves by the clock of Tessera, where that of the device is an hour off', async () => {
    const device = await openDevice()
    const now = Date.now()
    const clock = vi.spyOn(Date, 'now')
    // The Worker shares this clock, so that only the client's part of each request sees the wrong one.
    device.via(async (_request, go) => {
      clock.mockReturnValue(now)
      const answer = await go()
      answer.headers.set('Date', new Date(now).toUTCString())
      clock.mockReturnValue(now - 3_600_000)
      return answer
    })
    clock.mockReturnValue(now - 3_600_000)
    const tab = await signedIn(device, { dpop: dpopInMemory() })
    expect(device.sent('/auth/token')).toBe(2)
    await device.keep({ over: 0 })
    expect((await tab.fetch(ME)).status).toBe(200)
    expect(device.sent(REFRESH)).toBe(1)
  })

  test('that is gone means a new sign-in, and no theft: Tessera is not asked', async () => {
    const device = await openDevice()
    await signedIn(device, { dpop: dpopInMemory() })
    await device.expire(true)
    const onSignedOut = vi.fn()
    const tab = device.openTab({ dpop: dpopInMemory(), onSignedOut })
    expect((await tab.fetch(ME)).status).toBe(401)
    expect([onSignedOut.mock.calls, device.sent(REFRESH), await device.kept()]).toEqual([
      [['not_authenticated']],
      0,
      null,
    ])
  })

  test('whose proof was taken away on the way opens no session', async () => {
    const device = await openDevice()
    device.via((request, go) => {
      request.headers.delete('DPoP')
      return go()
    })
    const tab = device.openTab({ dpop: dpopInMemory() })
    await expect(tab.signIn(device.account.email ?? '', PASSWORD)).rejects.toThrow('Not bound')
    expect([await device.liveSessions(), await device.kept()]).toEqual([0, null])
  })
})

test('a refresh that belongs to a request that is gone holds nobody up for ever', async () => {
  const device = await openDevice(WINDOW)
  const tab = await signedIn(device)
  await device.expire(true)
  device.via(({ url }, go) => (url.endsWith(REFRESH) ? new Promise(() => {}) : go()))
  void tab.fetch(ME)
  await vi.waitFor(() => expect(device.sent(REFRESH)).toBe(1))
  // Whoever waits with it goes on by themselves.
  const joined = tab.fetch(ME)
  device.via(DIRECTLY)
  expect((await joined).status).toBe(200)
  device.via(({ url }, go) => (url.endsWith(REFRESH) ? new Promise(() => {}) : go()))
  await device.expire(true)
  void tab.fetch(ME)
  await vi.waitFor(() => expect(device.sent(REFRESH)).toBe(3))
  device.via(DIRECTLY)
  const now = performance.now()
  vi.spyOn(performance, 'now').mockReturnValue(now + 6001)
  expect((await tab.fetch(ME)).status).toBe(200)
})
