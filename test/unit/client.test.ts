/** The client as a package: how much of it there is, what it needs, and that its types are those of the service. */

import { gzipSync } from 'node:zlib'

import { build } from 'esbuild'
import type * as z from 'zod/mini'
import { describe, expect, expectTypeOf, test, vi } from 'vitest'

import type { ErrorCode, Problem, User } from '../../src/client/client.ts'
import { inSecureStore } from '../../src/client/storage.ts'
import { underLock } from '../../src/client/lock.ts'
import type * as Service from '../../src/errors.ts'
import type * as Answers from '../../src/http/answer/answer-contract.ts'

const root = new URL('../../', import.meta.url).pathname

describe('the client', () => {
  test.each([
    ['client', 3072],
    ['dpop', 1024],
  ])('%s is less than %i bytes, compressed, and imports nothing of anybody else', async (entry, ceiling) => {
    const { outputFiles, metafile } = await build({
      absWorkingDir: root,
      entryPoints: [`src/client/${entry}.ts`],
      bundle: true,
      minify: true,
      format: 'esm',
      write: false,
      metafile: true,
    })
    expect(gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).byteLength).toBeLessThan(ceiling)
    expect(Object.keys(metafile.inputs).filter((path) => !path.startsWith('src/client/'))).toEqual([])
  })

  test('has the types of the service', () => {
    expectTypeOf<ErrorCode>().toEqualTypeOf<Service.ErrorCode>()
    expectTypeOf<Problem>().toEqualTypeOf<Readonly<Answers.Problem>>()
    expectTypeOf<User>().toEqualTypeOf<Readonly<z.output<typeof Answers.OwnAccount>>>()
  })
})

test('a keychain of the shape of expo-secure-store keeps one text', async () => {
  const items = new Map<string, string>()
  const storage = inSecureStore({
    getItemAsync: async (key) => items.get(key) ?? null,
    setItemAsync: async (key, value) => void items.set(key, value),
    deleteItemAsync: async (key) => void items.delete(key),
  })
  expect(await storage.load()).toBeNull()
  await storage.save('pair')
  expect([await storage.load(), [...items]]).toEqual(['pair', [['tessera', 'pair']]])
  await storage.save(null)
  expect([await storage.load(), items.size]).toEqual([null, 0])
})

describe('the lock', () => {
  test('lets one work after the other, and gives what the work gives', async () => {
    const order: string[] = []
    const work = (name: string) => async () => {
      order.push(`${name} begins`)
      await new Promise((resolve) => setTimeout(resolve, 20))
      order.push(`${name} ends`)
      return name
    }
    expect(await Promise.all(['a', 'b'].map((name) => underLock('turns', work(name))))).toEqual(['a', 'b'])
    expect(order).toEqual(['a begins', 'a ends', 'b begins', 'b ends'])
  })

  test('leaves no timer behind, for which a program would stay', async () => {
    vi.useFakeTimers()
    try {
      await underLock('timers', async () => 1)
      expect(vi.getTimerCount()).toBe(0)
    } finally {
      vi.useRealTimers()
    }
  })

  test('throws what the work throws, and is free then', async () => {
    await expect(underLock('failing', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(await underLock('failing', async () => 1)).toBe(1)
  })

  test('is neither waited for nor held for more than two seconds', async () => {
    const begun = performance.now()
    void underLock('held', () => new Promise(() => {}))
    expect(await underLock('held', async () => 'went on')).toBe('went on')
    expect(performance.now() - begun).toBeGreaterThan(1900)
    expect(await underLock('held', async () => 'free')).toBe('free')
    expect(performance.now() - begun).toBeLessThan(3900)
  })

  test('is not waited for where somebody keeps it for good', async () => {
    const given = Promise.withResolvers<undefined>()
    const { locks } = navigator as unknown as { locks: { request(name: string, work: () => unknown): unknown } }
    locks.request('orphaned', () => given.promise)
    expect(await underLock('orphaned', async () => 'went on')).toBe('went on')
    given.resolve(undefined)
  })

  test.each([
    ['are none', undefined],
    ['may not be used', { request: () => Promise.reject(new DOMException('no', 'SecurityError')) }],
  ])('does without where there %s', async (_name, locks) => {
    const own = Object.getOwnPropertyDescriptor(globalThis, 'navigator')
    Object.defineProperty(globalThis, 'navigator', { value: { locks }, configurable: true })
    try {
      expect(await underLock('missing', async () => 'went on')).toBe('went on')
    } finally {
      Object.defineProperty(globalThis, 'navigator', own ?? {})
    }
  })
})
