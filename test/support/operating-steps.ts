/** What has happened before an operator types a command that a document shows: somebody signed in, a mailbox was mended. */

import { expect } from 'vitest'

import type { Operating } from './operating.ts'

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0'
const IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1'

type Step = (here: Operating) => Promise<unknown>

const STEPS: Readonly<Record<string, Step>> = {
  'npm run users -- why ada@example.com': async (here) => {
    const ada = { primary_email: 'ada@example.com', password: 'seven quiet herons upstream' }
    const { refresh } = await post(here, '/auth/token', ada, { 'User-Agent': IPHONE })
    const elsewhere = { 'User-Agent': IPHONE, 'CF-Connecting-IP': '198.51.100.23' }
    await expect(post(here, '/auth/token/refresh', { refresh }, elsewhere)).rejects.toThrow('location_blocked')
    await waitForMail(here, 'ada@example.com', 'location_blocked', 'sent')
  },
  'npm run users -- sessions ada@example.com': async (here) => {
    const ada = { primary_email: 'ada@example.com', password: 'seven quiet herons upstream' }
    await post(here, '/auth/token', ada, { 'User-Agent': IPHONE })
    await post(here, '/auth/token', ada, { 'User-Agent': FIREFOX })
  },
  'npm run users -- mails': (here) => waitForMail(here, 'bounce@example.com', 'reset_password', 'parked'),
  'npm run users -- requeue --all': async (here) => here.takeAllMails(),
  'npm run users -- mails --state sent --of bounce@example.com': (here) =>
    waitForMail(here, 'bounce@example.com', 'reset_password', 'sent'),
}

/** Makes happen what a command of a document tells of, where it has not happened yet. */
export async function beforeCommand(here: Operating, line: string): Promise<void> {
  if (line === 'npm run users -- mails' && here.takesAllMails()) return
  await STEPS[line]?.(here)
}

/** Waits until the mail of a kind to an account is in that state. */
async function waitForMail(here: Operating, to: string, kind: string, state: string): Promise<void> {
  for (let tries = 0; tries < 50; tries++) {
    const { stdout } = await here.shell(`npm run users -- mails --state ${state} --of ${to} --json`)
    if (stdout.includes(`"kind":"${kind}"`)) return
  }
  throw new Error(`No mail ${kind} to ${to} became ${state}`)
}

/** A request of somebody who signs in; its answer. Fails where that is no 200. */
export async function post(
  { origin }: Pick<Operating, 'origin'>,
  path: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Readonly<Record<string, string>>> {
  const response = await fetch(`${origin}${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  if (response.status !== 200) throw new Error(`${path}: ${response.status} ${await response.text()}`)
  return response.json() as Promise<Readonly<Record<string, string>>>
}
