/** Commands that make, find, show and end accounts. */

import { Nothing, OneUser, User } from './answers.ts'
import { atMostOne, type Context } from './context.ts'
import { describeUser, stateOf } from './describe.ts'
import { findAccount, nameOf } from './find-account.ts'
import { sendReset } from './mails.ts'
import { readObject } from './object-argument.ts'
import { UsageProblem, UsersProblem } from './problem.ts'
import { printList } from './print-list.ts'
import { printable } from './printable.ts'
import { askToConfirm, newSecret } from './secret-input.ts'
import { dayOf } from './time.ts'

/** `add`: makes an account. */
export async function addAccount({ client, line, out }: Context): Promise<void> {
  const [address] = line.operands
  const isNamed = address !== undefined || line.has('guid') || line.has('external-id')
  if (!isNamed) throw new UsageProblem('add needs an ADDRESS, a --guid or an --external-id.')
  if (line.has('invite') && address === undefined) throw new UsageProblem('--invite needs an ADDRESS to write to.')
  atMostOne(line, 'invite', 'password', 'password-stdin', 'hash-stdin')
  const body = {
    primary_email: address,
    ...(await newSecret(line)),
    guid: line.value('guid'),
    external_id: line.value('external-id'),
    group: line.value('group'),
    claims: readObject(line.value('claims')),
    language: line.value('language'),
    time_zone: line.value('time-zone'),
    ...(line.has('unconfirmed') && { confirmed: false }),
    ...(line.has('disabled') && { active: false }),
  }
  const { user } = await client.ask(OneUser, 'POST', '/users', { body })
  if (line.has('invite') && address !== undefined) await sendReset(client, address)
  out.one(user, () => {
    const name = printable(nameOf(user))
    const made = `${name} is an account now, with the guid ${user.guid}.`
    if (line.has('invite')) return `${made}\nA mail is on its way to it, with a link to choose a password.`
    if (user.has_password === true || address === undefined) return made
    return `${made}\nIt has no password. \`npm run users -- reset ${name}\` mails a link to choose one.`
  })
}

const COLUMNS = [
  { title: 'ACCOUNT', shrinks: true },
  { title: 'GROUP', shrinks: true },
  { title: 'STATE' },
  { title: 'CREATED' },
]

/** `list`: finds accounts. */
export async function listAccounts(context: Context): Promise<void> {
  const { line } = context
  atMostOne(line, 'enabled', 'disabled')
  atMostOne(line, 'confirmed', 'unconfirmed')
  const query = {
    search: line.operands[0],
    group: line.value('group'),
    active: line.has('enabled') ? true : line.has('disabled') ? false : undefined,
    confirmed: line.has('confirmed') ? true : line.has('unconfirmed') ? false : undefined,
    left: line.has('left') ? true : undefined,
  }
  await printList(
    context,
    { noun: 'users', schema: User, path: '/users', query },
    {
      columns: COLUMNS,
      row: (user) => [
        nameOf(user),
        user.group ?? '',
        stateOf(user),
        user.created_at === null ? '' : dayOf(user.created_at),
      ],
      none: 'There is no such account.',
    },
  )
}

/** `show`: one account. */
export async function showAccount({ client, line, out }: Context): Promise<void> {
  const user = await findAccount(client, line.operands[0] ?? '')
  out.one(user, () => describeUser(user, out.paint))
}

/** `delete`: ends an account, after a question. */
export async function deleteAccount({ client, line, out }: Context): Promise<void> {
  const user = await findAccount(client, line.operands[0] ?? '')
  const name = printable(nameOf(user))
  const isMeant =
    line.has('yes') ||
    (await askToConfirm(`This ends ${name} at ${client.target.url} for good. Type its name to go on: `, nameOf(user)))
  if (!isMeant) throw new UsersProblem('Nothing was deleted.')
  await client.ask(Nothing, 'DELETE', `/users/${user.guid}`)
  out.one({ guid: user.guid, deleted: true }, () => `${name} is deleted. Its guid ${user.guid} is never given again.`)
}
