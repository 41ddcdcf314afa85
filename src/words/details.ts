/** The details of a notice in words: the same in its mail and on the pages behind its links. */

import { readDevice } from '../domain/mails/device.ts'
import { isByOperator, type Notice } from '../domain/mails/notice.ts'
import { oneLine } from '../domain/places/names.ts'
import type { Client } from '../domain/places/place.ts'
import type { Words } from './en.ts'
import { describeTime } from './time.ts'

/** A row of the table. A value is one line of text, not escaped. */
export interface Detail {
  readonly name: string
  readonly now: string
  /** What it was before; `null` where that is not known of anything in this row. */
  readonly before: string | null
}

type Place = Omit<Client, 'userAgent'>

/** Names and values, in the order in which a reader wants them, in the time zone of the reader. */
export function describeNotice(notice: Notice, words: Words, timeZone: string | null): readonly Detail[] {
  const { kind, facts } = notice
  const { at, client } = facts
  const { details, unknown } = words
  const when = { name: details.when, now: describeTime(at, words.locale, timeZone), before: null }
  // Where an operator works is nothing that an owner could judge by.
  if (isByOperator(notice)) return [when]
  const before = kind === 'location_blocked' ? facts.usual : null
  const row = (name: string, value: (place: Place) => string | null): Detail => ({
    name,
    now: value(client) ?? unknown,
    before: before === null ? null : (value(before) ?? unknown),
  })
  const device = readDevice(oneLine(client.userAgent))
  return [
    when,
    row(details.city, ({ city }) => oneLine(city)),
    row(details.country, ({ country }) => words.country(country)),
    row(details.network, ({ provider, asn }) => networkName(oneLine(provider), asn)),
    row(details.address, ({ address }) => address),
    { name: details.device, now: device === null ? unknown : words.device(device), before: null },
  ]
}

function networkName(provider: string | null, asn: number | null): string | null {
  return [provider, asn === null ? null : `AS${asn}`].filter((part) => part !== null).join(', ') || null
}
