/** An account, a place and a device in words. */

import { readDevice } from '../../src/domain/mails/device.ts'
import type { User } from './answers.ts'
import { nameOf } from './find-account.ts'
import type { Paint } from './paint.ts'
import { printable } from './printable.ts'
import { minuteOf } from './time.ts'

/** In one word or two: whether it can sign in, and what is in its way. */
export function stateOf({ left_at, active, confirmed, has_password }: User): string {
  if (left_at !== null) return 'deleted'
  if (active !== true) return 'disabled'
  if (confirmed !== true) return 'unconfirmed'
  return has_password === true ? 'active' : 'no password'
}

const NOTHING = '–'

/** All that is known of an account, a line each. */
export function describeUser(user: User, paint: Paint): string {
  const time = (seconds: number | null) => (seconds === null ? NOTHING : minuteOf(seconds))
  const yesOrNo = (value: boolean | null) => (value === null ? NOTHING : value ? 'yes' : 'no')
  const lines: readonly (readonly [string, string])[] = [
    ['state', stateOf(user)],
    ['confirmed', yesOrNo(user.confirmed)],
    ['password', yesOrNo(user.has_password)],
    ['group', user.group ?? NOTHING],
    ['guid', user.guid],
    ['user id', user.user_id === null ? NOTHING : String(user.user_id)],
    ['external id', user.external_id ?? NOTHING],
    ['claims', hasClaims(user) ? JSON.stringify(user.claims) : NOTHING],
    ['language', user.language ?? NOTHING],
    ['time zone', user.time_zone ?? NOTHING],
    ['created', time(user.created_at)],
    ['changed', time(user.updated_at)],
    ...(user.left_at === null ? [] : [['deleted', time(user.left_at)] as const]),
  ]
  const width = Math.max(...lines.map(([label]) => label.length))
  return [
    paint('bold', printable(nameOf(user))),
    ...lines.map(([label, value]) => `  ${paint('dim', label.padEnd(width))}  ${printable(value)}`),
  ].join('\n')
}

function hasClaims({ claims }: User): boolean {
  return claims !== null && Object.keys(claims).length > 0
}

/** `Berlin, DE (Deutsche Telekom)`, as far as it is known. */
export function placeOf({
  city,
  country,
  network = null,
}: {
  readonly city: string | null
  readonly country: string | null
  readonly network?: string | null
}): string {
  const place = [city, country].filter((part) => part !== null).join(', ')
  if (network === null) return place
  return place === '' ? network : `${place} (${network})`
}

/** `Firefox on Linux`. What is no known device is shown as it called itself, cut. */
export function deviceOf(userAgent: string | null): string {
  if (userAgent === null || userAgent === '') return 'no user agent'
  const device = readDevice(userAgent)
  if (device === null) return userAgent.length > 40 ? `${userAgent.slice(0, 39)}…` : userAgent
  const name = device.isApp ? `an app for ${device.name}` : device.name
  return device.system === null ? name : `${name} on ${device.system}`
}
