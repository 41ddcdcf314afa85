/** Commands that change one thing of an account. Each says in a line what is true now. */

import { OneUser, type User } from './answers.ts'
import { atMostOne, type Context } from './context.ts'
import { findAccount, nameOf } from './find-account.ts'
import { readObject } from './object-argument.ts'
import { jsonLine, printable } from './printable.ts'
import { UsageProblem } from './problem.ts'
import { askNewPassword, newSecret } from './secret-input.ts'

/** Changes the account that the first operand names, and prints what `says` makes of its name. */
async function change(
  { client, line, out }: Context,
  body: Readonly<Record<string, unknown>>,
  says: (name: string, user: User) => string,
): Promise<void> {
  const { guid } = await findAccount(client, line.operands[0] ?? '')
  const { user } = await client.ask(OneUser, 'PATCH', `/users/${guid}`, { body })
  out.one(user, () => says(printable(nameOf(user)), user))
}

/** `disable`. */
export function disable(context: Context): Promise<void> {
  return change(context, { active: false }, (name) => `${name} may not sign in, and its sessions have ended.`)
}

/** `enable`. */
export function enable(context: Context): Promise<void> {
  return change(context, { active: true }, (name) => `${name} may sign in. Sessions that have ended do not come back.`)
}

/** `group`. */
export function changeGroup(context: Context): Promise<void> {
  const [, group = ''] = context.line.operands
  return change(
    context,
    { group },
    (name, user) =>
      `${name} is in the group ${printable(user.group ?? '')} now. Its tokens say so from their next refresh on.`,
  )
}

/** `confirm` without `--mail`. */
export function confirm(context: Context): Promise<void> {
  return change(context, { confirmed: true }, (name) => `The address ${name} counts as confirmed now.`)
}

/** `email`. */
export function changeEmail(context: Context): Promise<void> {
  const [before, primary_email] = context.line.operands
  return change(
    context,
    { primary_email },
    (name) =>
      `${name} is the address of ${printable(before ?? '')} now. Its sessions have ended, and its former address was told.`,
  )
}

/** `password`: from the terminal, or from standard input. */
export async function changePassword(context: Context): Promise<void> {
  const { line } = context
  atMostOne(line, 'password-stdin', 'hash-stdin', 'none')
  if (line.has('none')) {
    return change(
      context,
      { password: null },
      (name) => `${name} has no password any more, and its sessions have ended.`,
    )
  }
  const isPiped = line.has('password-stdin') || line.has('hash-stdin')
  const body = isPiped ? await newSecret(line) : { password: await askNewPassword() }
  return change(
    context,
    body,
    (name) => `${name} has another password now. Its sessions have ended, and it was told by mail.`,
  )
}

/** `claims`: shows them, or replaces all of them. */
export async function changeClaims(context: Context): Promise<void> {
  const { client, line, out } = context
  const [account = '', json] = line.operands
  if (json === undefined && !line.has('none')) {
    const { claims } = await findAccount(client, account)
    return out.one(claims, () => printable(JSON.stringify(claims)))
  }
  const claims = oneOf(context, json)
  return change(context, { claims: readObject(claims ?? undefined) ?? null }, (name, user) =>
    user.claims === null || Object.keys(user.claims).length === 0
      ? `${name} has no claims of its own now.`
      : `${name} has the claims ${jsonLine(user.claims)} now. Its tokens have them from their next refresh on.`,
  )
}

/** `external-id`: shows it, or replaces it. */
export function changeExternalId(context: Context): Promise<void> {
  return changeText(context, 'external_id', 'external id')
}

/** `language`: shows it, or replaces it. */
export function changeLanguage(context: Context): Promise<void> {
  return changeText(context, 'language', 'language')
}

/** `time-zone`: shows it, or replaces it. */
export function changeTimeZone(context: Context): Promise<void> {
  return changeText(context, 'time_zone', 'time zone')
}

async function changeText(
  context: Context,
  field: 'external_id' | 'language' | 'time_zone',
  word: string,
): Promise<void> {
  const { client, line, out } = context
  const [account = '', text] = line.operands
  if (text === undefined && !line.has('none')) {
    const user = await findAccount(client, account)
    return out.one(user[field], () => printable(user[field] ?? `${nameOf(user)} has no ${word}.`))
  }
  return change(context, { [field]: oneOf(context, text) }, (name, user) =>
    user[field] === null ? `${name} has no ${word} now.` : `The ${word} of ${name} is ${printable(user[field])} now.`,
  )
}

/** The new value, or `null` for `--none`. Throws `UsageProblem` where both are there. */
function oneOf({ line }: Context, text: string | undefined): string | null {
  if (text === undefined) return null
  if (line.has('none')) throw new UsageProblem(`${text} and --none contradict each other.`)
  return text
}
