/** The passwords of the demo accounts, which `npm start` hands over: the database has only their hashes. */

import * as z from 'zod/mini'

const DemoAccounts = z.record(z.string(), z.object({ primary_email: z.string(), password: z.string() }))

/** Passwords by e-mail address; none where `npm start` did not start this. */
export function readPasswords(env: object): ReadonlyMap<string, string> {
  const text = 'DEMO_ACCOUNTS' in env && typeof env.DEMO_ACCOUNTS === 'string' ? env.DEMO_ACCOUNTS : '{}'
  const accounts = DemoAccounts.parse(JSON.parse(text))
  return new Map(Object.values(accounts).map(({ primary_email, password }) => [primary_email, password]))
}
