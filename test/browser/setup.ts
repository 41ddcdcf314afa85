/** One Tessera for all tests of this ring: it takes some seconds to start. */

import type { TestProject } from 'vitest/node'

import { freePort } from '../support/command.ts'
import { type Account, startTessera } from './tessera.ts'

declare module 'vitest' {
  interface ProvidedContext {
    readonly origin: string
    readonly account: Account
    readonly serviceKey: string
    /** An origin to which Tessera may send browsers on: the test of that serves it. */
    readonly returnOrigin: string
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const returnOrigin = `http://localhost:${await freePort()}`
  const variables = { REFRESH_REUSE_SECONDS: '10', RETURN_ORIGINS: returnOrigin }
  const { origin, account, serviceKey, stop } = await startTessera(variables)
  project.provide('origin', origin)
  project.provide('account', account)
  project.provide('serviceKey', serviceKey)
  project.provide('returnOrigin', returnOrigin)
  return stop
}
