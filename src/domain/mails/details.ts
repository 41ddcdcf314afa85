/** The details of a notice in words: the same in the mail and on the pages behind its links. */

import { describeDevice } from './device.ts'
import { countryName, oneLine } from '../places/names.ts'
import type { NoticeFacts } from './notice.ts'

/** Names and values, in the order in which a reader wants them. A value is one line of text, not escaped. */
export function describeNotice({ at, client }: NoticeFacts): readonly (readonly [name: string, value: string])[] {
  const unknown = 'unknown'
  const asn = client.asn === null ? null : `AS${client.asn}`
  return [
    ['When', `${new Date(at * 1000).toISOString().replace('T', ' ').slice(0, 16)} UTC`],
    ['City', oneLine(client.city) ?? unknown],
    ['Country', countryName(client.country) ?? unknown],
    ['Network', [oneLine(client.provider), asn].filter((part) => part !== null).join(', ') || unknown],
    ['Address', client.address],
    ['Device', describeDevice(oneLine(client.userAgent)) ?? unknown],
  ]
}
