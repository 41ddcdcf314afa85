/** What is made, or loaded, by whoever needs it first. */

import { expect, test, vi } from 'vitest'

import { deferred, once } from '../../src/once.ts'

test('is made once, however many need it at once, and again after a failure', async () => {
  const make = vi.fn<() => Promise<number>>().mockRejectedValueOnce(new Error('not now')).mockResolvedValue(7)
  const get = once(make)
  const [one, two] = [get(), get()]
  await expect(one).rejects.toThrow('not now')
  await expect(two).rejects.toThrow('not now')
  expect(await Promise.all([get(), get()])).toEqual([7, 7])
  expect(make).toHaveBeenCalledTimes(2)
})

test('a deferred store is loaded by the first call, and answers and fails as the store does', async () => {
  const store = {
    add: async (a: number, b: number) => a + b,
    fail: async () => Promise.reject(new RangeError('its own')),
  }
  const load = vi.fn<() => Promise<typeof store>>().mockResolvedValue(store)
  const late = deferred(load)
  expect(load).not.toHaveBeenCalled()
  expect(await Promise.all([late.add(1, 2), late.add(3, 4)])).toEqual([3, 7])
  await expect(late.fail()).rejects.toThrow(new RangeError('its own'))
  expect(load).toHaveBeenCalledOnce()
})

test('a deferred store that could not be loaded is loaded by the next call', async () => {
  const store = { get: async () => 'there' }
  const load = vi
    .fn<() => Promise<typeof store>>()
    .mockRejectedValueOnce(new Error('no module'))
    .mockResolvedValue(store)
  const late = deferred(load)
  await expect(late.get()).rejects.toThrow('no module')
  expect(await late.get()).toBe('there')
})
