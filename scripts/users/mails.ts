/** Commands about mails: asking for one, and the outbox. */

import { Mail, Queued, Requeued } from './answers.ts'
import type { Paint } from './paint.ts'
import { printList } from './print-list.ts'
import { type Client, Refusal } from './client.ts'
import type { Context } from './context.ts'
import { findAccount } from './find-account.ts'
import { printable } from './printable.ts'
import { UsageProblem, UsersProblem } from './problem.ts'
import { minuteOf } from './time.ts'

const STATES = ['parked', 'waiting', 'sent']

/** Has the link mailed with which the owner of an address chooses a password. */
export async function sendReset(client: Client, primary_email: string): Promise<unknown> {
  return client.ask(Queued, 'POST', '/mails', { body: { kind: 'reset_password', primary_email } })
}

/** `reset`. */
export async function reset({ client, line, out }: Context): Promise<void> {
  const user = await findAccount(client, line.operands[0] ?? '')
  if (user.email === null) throw new UsersProblem(`${user.guid} has no address to write to.`)
  const answer = await sendReset(client, user.email)
  out.one(answer, () => `A mail is on its way to ${printable(user.email ?? '')}, with a link to choose a new password.`)
}

/** `confirm --mail`: to somebody who signed up and did not follow the link. */
export async function confirmByMail({ client, line, out }: Context): Promise<void> {
  const [primary_email = ''] = line.operands
  try {
    const answer = await client.ask(Queued, 'POST', '/mails', { body: { kind: 'confirm_address', primary_email } })
    out.one(answer, () => `A mail is on its way to ${printable(primary_email)}, with a link to confirm it.`)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    if (error.code === 'forbidden') throw new UsersProblem('Nobody can sign up here: REGISTRATION is closed.')
    if (error.code !== 'not_found') throw error
    throw new UsersProblem(`Nobody signed up as ${primary_email} who has yet to confirm it.`)
  }
}

/** `mails`: the outbox, by default what was given up. */
export async function listMails(context: Context): Promise<void> {
  const { client, line } = context
  const state = line.value('state') ?? 'parked'
  if (!STATES.includes(state)) throw new UsageProblem(`--state ${state} is none of ${STATES.join(', ')}.`)
  const of = line.value('of')
  const guid = of === undefined ? undefined : (await findAccount(client, of)).guid
  await printList(
    context,
    { noun: 'mails', schema: Mail, path: '/mails', query: { state, guid } },
    { block: (mail) => describeMail(mail, context.out.paint), none: `No mail is ${state}.` },
  )
}

/** A mail in three lines: what and to whom, what became of it, and its id for `requeue`. */
export function describeMail(mail: Mail, paint: Paint): string {
  const tries = mail.attempts === 1 ? '1 try' : `${mail.attempts} tries`
  const fate =
    mail.sent_at !== null
      ? `sent ${minuteOf(mail.sent_at)}`
      : mail.failed_at !== null
        ? `given up ${minuteOf(mail.failed_at)} after ${tries}`
        : `${tries} so far`
  const why = mail.last_error === null || mail.sent_at !== null ? '' : `: ${printable(mail.last_error)}`
  return [
    `${paint('bold', printable(mail.kind))} to ${printable(mail.recipient ?? 'nobody any more')}`,
    `  written ${minuteOf(mail.created_at)}, ${fate}${why}`,
    `  ${paint('dim', `id ${mail.id}`)}`,
  ].join('\n')
}

/** `requeue`: single mails, or all that are parked. */
export async function requeue({ client, line, out }: Context): Promise<void> {
  const ids = line.operands
  if (line.has('all') === ids.length > 0) throw new UsageProblem('requeue needs the ids of mails, or --all.')
  let count = 0
  if (ids.length > 0) {
    for (const id of ids) count += await requeueOne(client, id)
  } else {
    // One request takes so many at most, so that the next one finds the rest.
    for (let more = 1; more > 0; count += more) {
      more = (await client.ask(Requeued, 'POST', '/mails/requeue')).count
    }
  }
  const what = count === 1 ? '1 mail is' : `${count} mails are`
  out.one({ count }, () => (count === 0 ? 'No mail is parked.' : `${what} on the way again.`))
}

async function requeueOne(client: Client, id: string): Promise<number> {
  try {
    await client.ask(Queued, 'POST', `/mails/${encodeURIComponent(id)}/requeue`)
    return 1
  } catch (error) {
    if (error instanceof Refusal && error.code === 'not_found')
      throw new UsersProblem(`No mail ${id} is parked or waiting.`)
    throw error
  }
}
