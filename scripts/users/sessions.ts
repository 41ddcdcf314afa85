/** Commands about the sessions that an account has now. */

import { EndedSessions, Nothing, Sessions } from './answers.ts'
import { type Client, Refusal } from './client.ts'
import type { Context } from './context.ts'
import { deviceOf, placeOf } from './describe.ts'
import { findAccount, nameOf } from './find-account.ts'
import { jsonLine, printable } from './printable.ts'
import { UsageProblem, UsersProblem } from './problem.ts'
import { askToConfirm } from './secret-input.ts'
import { table } from './table.ts'
import { minuteOf } from './time.ts'

/** `sessions`. */
export async function listSessions({ client, line, out }: Context): Promise<void> {
  const user = await findAccount(client, line.operands[0] ?? '')
  const { sessions } = await client.ask(Sessions, 'GET', `/users/${user.guid}/sessions`)
  if (out.isJson) {
    for (const session of sessions) console.log(jsonLine(session))
  } else if (sessions.length === 0) {
    console.log(`${printable(nameOf(user))} is not signed in anywhere.`)
  } else {
    const columns = [
      { title: 'SESSION' },
      { title: 'LAST USED' },
      { title: 'WITH', shrinks: true },
      { title: 'IN', shrinks: true },
    ]
    const rows = sessions.map((session) => [
      session.sid.slice(0, SHORT),
      minuteOf(session.last_used_at),
      deviceOf(session.user_agent),
      placeOf(session) || (session.ip ?? ''),
    ])
    console.log(table(columns, rows, out))
  }
}

/** So much of an id is shown, and is enough to name a session of an account. */
const SHORT = 8

/** The id of a session whose beginning is given: of the only live one that begins so, or what was given. */
async function wholeSid(client: Client, path: string, beginning: string): Promise<string> {
  if (beginning.length < SHORT) return beginning
  const { sessions } = await client.ask(Sessions, 'GET', path)
  const [only, ...others] = sessions.filter(({ sid }) => sid.startsWith(beginning))
  return only === undefined || others.length > 0 ? beginning : only.sid
}

/** `end-sessions`: all of an account, one of them, or everybody's. */
export async function endSessions(context: Context): Promise<void> {
  const { client, line, out } = context
  const [account, sid] = line.operands
  if ((account === undefined) !== line.has('everybody')) {
    throw new UsageProblem('end-sessions needs an ACCOUNT, or --everybody.')
  }
  if (account === undefined) return endAll(context)
  const user = await findAccount(client, account)
  const name = printable(nameOf(user))
  const all = `/users/${user.guid}/sessions`
  try {
    const one = sid === undefined ? '' : `/${encodeURIComponent(await wholeSid(client, all, sid))}`
    await client.ask(Nothing, 'DELETE', `${all}${one}`)
  } catch (error) {
    if (sid === undefined || !(error instanceof Refusal) || error.code !== 'not_found') throw error
    throw new UsersProblem(
      `${nameOf(user)} has no session ${sid} now: \`npm run users -- sessions ${nameOf(user)}\` lists them.`,
    )
  }
  out.one({ guid: user.guid, ...(sid !== undefined && { sid }), ended: true }, () =>
    sid === undefined ? `${name} is signed out everywhere.` : `That session of ${name} has ended.`,
  )
}

/** Everybody's: a part of the accounts with each request. */
async function endAll({ client, line, out }: Context): Promise<void> {
  const question = `This signs everybody out at ${client.target.url}. Type everybody to go on: `
  if (!line.has('yes') && !(await askToConfirm(question, 'everybody'))) throw new UsersProblem('No session was ended.')
  let ended = 0
  let cursor: string | undefined
  do {
    const part: EndedSessions = await client.ask(EndedSessions, 'DELETE', '/sessions', { query: { cursor } })
    ended += part.ended
    cursor = part.next ?? undefined
  } while (cursor !== undefined)
  out.one({ ended }, () => `${ended} ${ended === 1 ? 'account is' : 'accounts are'} signed out everywhere.`)
}
