/** Explains a refusal of Cloudflare in one line that says what to do. The codes are those of its API and of wrangler's source. */

import { stripVTControlCharacters } from 'node:util'

export const NOT_LOGGED_IN =
  'You are not logged in to Cloudflare: run `npx wrangler login` once, or set CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID.'

/** The right that a token needs for a path. */
const RIGHTS: readonly (readonly [RegExp, string])[] = [
  [/\/d1\//, 'Account › D1 › Edit'],
  [/\/queues/, 'Account › Queues › Edit'],
  [/\/workers\/(scripts|services|workers|subdomain|domains)/, 'Account › Workers Scripts › Edit'],
  [/\/email\//, 'Zone › Email Sending › Read'],
  [/^\/zones/, 'Zone › Zone › Read and Zone › Workers Routes › Edit'],
  [/^\/(accounts|memberships|user)/, 'Account › Account Settings › Read, or name the account: --account ID'],
]

/** The codes for a token that lacks a right: authentication error, invalid token, unauthorized, not authorized for this account. */
const NO_RIGHT = new Set([9109, 10000, 10001, 7403, 403])
const BAD_TOKEN = new Set([1000, 6003, 6111, 9103, 9106, 401])

/** Whether the token itself is refused, so that every other request fails in the same way. */
export function isUnknownToken(code: number): boolean {
  return BAD_TOKEN.has(code)
}

/** One line for an error of the API. */
export function explainApiError(code: number, path: string, message: string): string {
  const account = /\/accounts\/(\w+)/.exec(path)?.[1] ?? ''
  if (isUnknownToken(code)) {
    return `Cloudflare does not know this token (${code}): make a new one, or unset CLOUDFLARE_API_TOKEN and run \`npx wrangler login\`.`
  }
  if (NO_RIGHT.has(code)) {
    const right = RIGHTS.find(([pattern]) => pattern.test(path))?.[1] ?? path
    return `The token lacks a right (${code}). Give it ${right}: https://dash.cloudflare.com/profile/api-tokens`
  }
  if (code === 100129 || /paid plan|workers paid|upgrade/i.test(message)) {
    return `The plan of this account does not include this (${code}): Tessera needs Workers Paid, https://dash.cloudflare.com/${account}/workers/plans`
  }
  if (code === 11002) return `Queues must be switched on once: https://dash.cloudflare.com/${account}/workers/queues`
  if (code === 7406) return `The account has as many D1 databases as it may (7406): delete one, or get Workers Paid.`
  return `Cloudflare refused ${path.replace(/^\/accounts\/\w+/, '')}: ${message} (${code}).`
}

/** One line for an error that wrangler printed; `null` where its output has no code. */
export function explainWranglerOutput(output: string): string | null {
  const [, path, message, code] =
    /A request to the Cloudflare API \(([^)\s]+)\) failed\.\s+([\s\S]*?)\s*\[code: (\d+)\]/.exec(
      stripVTControlCharacters(output),
    ) ?? []
  if (path === undefined || message === undefined || code === undefined) return null
  return explainApiError(Number(code), path, message.replace(/\s+/g, ' '))
}
