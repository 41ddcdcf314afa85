/** Notices as their rows have them: read back whoever wrote them, this version or one before or after it. */

import { describe, expect, test } from 'vitest'
import * as z from 'zod/mini'

import { type Notice, readNotice, writeFacts } from '../../../src/domain/mails/notice.ts'

const PLACE = { address: '203.0.113.7', asn: 64_496, country: 'IS', city: 'Reykjavík', provider: 'Example Net' }
const CLIENT = { ...PLACE, address: '198.51.100.23', userAgent: 'curl/8.9.1' }
const HAPPENED = { at: 1_800_000_000, client: CLIENT, origin: 'https://auth.example.com' }

const NOTICES: readonly Notice[] = [
  { kind: 'location_blocked', facts: { ...HAPPENED, usual: PLACE } },
  { kind: 'location_blocked', facts: { ...HAPPENED, usual: null } },
  { kind: 'token_reused', facts: HAPPENED },
]

/** Those that earlier versions do not know. */
const NEWER: readonly Notice[] = [
  { kind: 'sign_ins_paused', facts: { ...HAPPENED, failures: 10 } },
  { kind: 'new_sign_in', facts: { ...HAPPENED, isNewPlace: true, failures: 0 } },
  { kind: 'password_changed', facts: { ...HAPPENED, how: 'operator' } },
  { kind: 'email_changed', facts: { ...HAPPENED, by: 'operator' } },
  { kind: 'account_left', facts: { ...HAPPENED, by: 'operator' } },
]

/** What the versions before this one read facts by, whatever the kind. */
const StoredPlace = {
  address: z.string(),
  asn: z.nullable(z.int()),
  country: z.nullable(z.string()),
  city: z.nullable(z.string()),
  network: z.nullable(z.string()),
}
const EarlierFacts = z.strictObject({
  at: z.int(),
  client: z.strictObject({ ...StoredPlace, userAgent: z.nullable(z.string()) }),
  usual: z.nullable(z.strictObject(StoredPlace)),
  origin: z.string(),
})

describe.each(NOTICES)('a notice of $kind', (notice) => {
  test('is read as it was written', () => {
    expect(readNotice(notice.kind, writeFacts(notice))).toEqual(notice)
  })

  test('is written so that an earlier version reads it', () => {
    expect(EarlierFacts.safeParse(JSON.parse(writeFacts(notice))).error).toBeUndefined()
  })
})

test.each(NEWER)('a notice of $kind is read as it was written', (notice) => {
  expect(readNotice(notice.kind, writeFacts(notice))).toEqual(notice)
})

describe('a row', () => {
  const { provider: network, ...place } = CLIENT
  const stored = { at: 1_800_000_000, client: { ...place, network }, origin: 'https://auth.example.com' }

  test.each(['email_changed', 'account_left'] as const)('of an earlier version is what its owner did (%s)', (kind) => {
    expect(readNotice(kind, JSON.stringify(stored))).toEqual({ kind, facts: { ...HAPPENED, by: 'owner' } })
  })

  test('of an earlier version has a former place without city and network', () => {
    const facts = { ...stored, usual: { address: '203.0.113.7', asn: null, country: 'IS' } }
    expect(readNotice('location_blocked', JSON.stringify(facts))).toEqual({
      kind: 'location_blocked',
      facts: {
        ...HAPPENED,
        usual: { address: '203.0.113.7', asn: null, country: 'IS', city: null, provider: null },
      },
    })
  })

  test('of an earlier version has a former place in every kind', () => {
    expect(readNotice('token_reused', JSON.stringify({ ...stored, usual: null }))).toEqual({
      kind: 'token_reused',
      facts: HAPPENED,
    })
  })

  test('of a later version may have more facts than this one knows', () => {
    const facts = JSON.stringify({ ...stored, usual: null, proof: 'passkey' })
    expect(readNotice('token_reused', facts)).toEqual({ kind: 'token_reused', facts: HAPPENED })
  })

  test.each(['address_confirmed', 'toString', '__proto__', ''])('of the kind "%s" cannot be read', (kind) => {
    expect(() => readNotice(kind, JSON.stringify({ ...stored, usual: null }))).toThrow('no such kind of notice')
  })

  test.each(['', 'null', '[]', '{}', JSON.stringify({ ...stored, at: 'now' })])(
    'that says %s cannot be read',
    (facts) => {
      expect(() => readNotice('token_reused', facts)).toThrow()
    },
  )

  test('without the facts of its own kind cannot be read', () => {
    expect(() => readNotice('location_blocked', JSON.stringify(stored))).toThrow()
  })
})
