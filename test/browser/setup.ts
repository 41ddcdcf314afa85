/** One Tessera for all tests of this ring: it takes some seconds to start. */

import type { TestProject } from 'vitest/node'

import { type Account, startTessera } from './tessera.ts'

declare module 'vitest' {
  interface ProvidedContext {
    readonly origin: string
    readonly account: Account
    readonly serviceKey: string
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { origin, account, serviceKey, stop } = await startTessera({ REFRESH_REUSE_SECONDS: '10' })
  project.provide('origin', origin)
  project.provide('account', account)
  project.provide('serviceKey', serviceKey)
  return stop
}
