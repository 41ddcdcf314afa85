/**
 * A test of a page that is for whoever is signed in, with vitest, against a real Tessera. In a folder that has tessera, wrangler and vitest
 * installed, and these two files:
 *
 *   npx vitest run
 */

import { startTessera } from 'tessera/testing'
import { expect, test } from 'vitest'

import { startApp } from './app.ts'

test('whoever is signed in sees their page', async () => {
  await using tessera = await startTessera()
  const app = await startApp(tessera.url)
  const { cookieHeader } = await tessera.createSession()
  const page = await fetch(app, { headers: { Cookie: cookieHeader } })
  expect(await page.text()).toContain('Hello')
})
