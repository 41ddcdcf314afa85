/** What several tests of a browser do: a server with pages of somebody else's, a tab, and a look into the cookie jar. */

import { once } from 'node:events'
import type { Server } from 'node:net'

import type { BrowserContext, Page } from 'playwright-core'

import { portOf } from '../support/command.ts'

/** The port that a server listens on then: a free one for 0, on every interface unless a host says otherwise. */
export async function listen(server: Server, port: number, host?: string): Promise<number> {
  server.listen(port, host)
  await once(server, 'listening')
  return portOf(server.address())
}

/** A new tab at an address. */
export async function openTab(context: BrowserContext, url: string): Promise<Page> {
  const page = await context.newPage()
  await page.goto(url)
  return page
}

/** The values in the jar, by the names of their cookies. */
export async function jarOf(context: BrowserContext): Promise<Readonly<Record<string, string>>> {
  return Object.fromEntries((await context.cookies()).map(({ name, value }) => [name, value]))
}
