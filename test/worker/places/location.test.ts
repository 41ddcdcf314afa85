/**
 * A refresh from another place: what it is answered, what it does to the session, and what counts as the address of a client.
 */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import { createAccount, dumpTables } from '../../support/accounts.ts'
import { at, stopClock, T0 } from '../../support/clock.ts'
import { UUID } from '../../support/forge.ts'
import { keepLog } from '../../support/log.ts'
import { refreshByCookies } from '../../support/requests.ts'
import { jtiOf, notificationsFor, openByGuid, sessionRow } from '../../support/sessions.ts'
import {
  TEXT_BLOCKED,
  TEXT_GRANTED,
  TEXT_MALFORMED,
  TEXT_USED,
  textAnswer,
  textRefusal,
} from '../../support/text-answers.ts'
import { ELSEWHERE, HOME, ORIGIN, pairOf, startWorker, worker } from '../../support/worker.ts'

stopClock()
keepLog('warn')

describe('location', () => {
  test('blocks a live pair from another address, ends its session and tells its owner', async () => {
    const { guid, id, email } = await createAccount(env.DB)
    const { sid, cookies } = await openByGuid(guid)
    const other = await openByGuid(guid)
    at(60)
    const cf = { asn: 64_501, country: 'NZ', city: 'Nelson', asOrganization: 'Far Net' } as const
    const headers = { 'User-Agent': 'Thief/1' }

    expect(await textAnswer(await refreshByCookies(cookies, { ip: ELSEWHERE, cf, headers }))).toEqual(TEXT_BLOCKED)
    expect(await sessionRow(sid)).toMatchObject({
      jti: jtiOf(cookies),
      revoked_at: T0 + 60,
      revoked_reason: 'location',
      ip: HOME,
    })
    const stored = await notificationsFor(sid)
    expect(stored).toEqual([
      {
        id: expect.stringMatching(UUID) as string,
        kind: 'location_blocked',
        user_id: id,
        recipient: email,
        facts: expect.any(String) as string,
        dedupe_key: `location_blocked:${sid}`,
        created_at: T0 + 60,
      },
    ])
    expect(JSON.parse(String(stored?.[0]?.['facts']))).toMatchObject({
      at: T0 + 60,
      client: {
        address: ELSEWHERE,
        asn: 64_501,
        country: 'NZ',
        city: 'Nelson',
        network: 'Far Net',
        userAgent: 'Thief/1',
      },
      origin: ORIGIN,
    })
    expect(await textAnswer(await refreshByCookies(cookies))).toEqual(TEXT_USED)
    expect(await textAnswer(await refreshByCookies(cookies, { ip: ELSEWHERE }))).toEqual(TEXT_USED)
    expect(await notificationsFor(sid)).toEqual(stored)
    expect(await textAnswer(await refreshByCookies(other.cookies))).toEqual(TEXT_GRANTED)
  })

  test('blocks without a mail where the account has no address', async () => {
    const { sid, cookies } = await openByGuid()

    expect(await textAnswer(await refreshByCookies(cookies, { ip: ELSEWHERE }))).toEqual(TEXT_BLOCKED)
    expect(await notificationsFor(sid)).toEqual([])
    expect(await textAnswer(await refreshByCookies(cookies))).toEqual(TEXT_USED)
  })

  test('is looked at after use: a used pair from elsewhere is used, and not blocked', async () => {
    const { sid, cookies } = await openByGuid()
    await refreshByCookies(cookies)

    expect(await textAnswer(await refreshByCookies(cookies, { ip: ELSEWHERE }))).toEqual(TEXT_USED)
    expect(await sessionRow(sid)).toMatchObject({ revoked_reason: 'reuse' })
  })

  test('is looked at after the pair: tokens of two pairs from elsewhere end nothing', async () => {
    const [one, two] = [await openByGuid(), await openByGuid()]
    const mixed = { access_token: one.cookies.access_token, refresh_token: two.cookies.refresh_token }
    const before = await dumpTables(env.DB)

    expect(await textAnswer(await refreshByCookies(mixed, { ip: ELSEWHERE }))).toEqual(
      textRefusal(401, 'Not valid token pair'),
    )
    expect(await dumpTables(env.DB)).toEqual(before)
  })

  const [AT, NZ] = [
    { asn: 64_500, country: 'AT' },
    { asn: 64_501, country: 'NZ' },
  ] as const
  // As Cloudflare writes it in CF-IPCountry; the types of `cf` do not have it.
  const UNKNOWN = { country: 'XX' as 'AT' } as const
  test.each([
    ['address', '2001:db8:1:2::1', {}, '2001:DB8:1:2:ffff::9', {}, TEXT_GRANTED],
    ['address', '2001:db8:1:2::1', {}, '2001:db8:1:3::1', {}, TEXT_BLOCKED],
    ['address', '203.0.113.7', {}, '::ffff:203.0.113.7', {}, TEXT_GRANTED],
    ['address', '203.0.113.7', {}, '203.0.113.8', {}, TEXT_BLOCKED],
    ['address', '203.0.113.7', AT, '2001:db8:1:2::1', AT, TEXT_BLOCKED],
    ['subnet', '203.0.113.7', {}, '203.0.113.200', {}, TEXT_GRANTED],
    ['subnet', '203.0.113.7', {}, '203.0.114.7', {}, TEXT_BLOCKED],
    ['subnet', '2001:db8:1:2::1', {}, '2001:db8:1:ffff::1', {}, TEXT_GRANTED],
    ['subnet', '2001:db8:1:2::1', {}, '2001:db8:2:2::1', {}, TEXT_BLOCKED],
    ['asn', '203.0.113.7', AT, ELSEWHERE, { ...NZ, asn: 64_500 }, TEXT_GRANTED],
    ['asn', '203.0.113.7', AT, ELSEWHERE, { ...AT, asn: 64_501 }, TEXT_BLOCKED],
    ['asn', '203.0.113.7', {}, ELSEWHERE, {}, TEXT_BLOCKED],
    ['country', '203.0.113.7', AT, ELSEWHERE, { ...NZ, country: 'AT' }, TEXT_GRANTED],
    ['country', '203.0.113.7', AT, ELSEWHERE, { ...AT, country: 'NZ' }, TEXT_BLOCKED],
    ['country', '203.0.113.7', {}, ELSEWHERE, {}, TEXT_BLOCKED],
    ['country', '203.0.113.7', UNKNOWN, ELSEWHERE, UNKNOWN, TEXT_BLOCKED],
    ['off', '203.0.113.7', AT, '2001:db8::1', NZ, TEXT_GRANTED],
  ] as const)('under %s, from %s %j to %s %j', async (policy, ip, cf, nextIp, nextCf, expected) => {
    const settled = startWorker({ LOCATION_POLICY: policy })
    const { cookies } = await openByGuid(undefined, { ip, cf }, settled)

    expect(await textAnswer(await refreshByCookies(cookies, { ip: nextIp, cf: nextCf }, settled))).toEqual(expected)
  })

  test.each([
    'X-Forwarded-For',
    'X-Real-IP',
    'True-Client-IP',
    'Forwarded',
    'X-Client-IP',
    'CF-Connecting-IPv6',
    'CF-Pseudo-IPv4',
  ])('is never read from %s', async (header) => {
    const claim = (ip: string) => ({ [header]: header === 'Forwarded' ? `for=${ip}` : ip })
    const { sid, cookies } = await openByGuid(undefined, { headers: claim(ELSEWHERE) })
    expect(await sessionRow(sid)).toMatchObject({ ip: HOME })
    const response = await refreshByCookies(cookies, { headers: claim(ELSEWHERE) })

    expect(await textAnswer(response)).toEqual(TEXT_GRANTED)
    expect(await textAnswer(await refreshByCookies(pairOf(response), { ip: ELSEWHERE, headers: claim(HOME) }))).toEqual(
      TEXT_BLOCKED,
    )
  })

  const UNAVAILABLE = textRefusal(503, 'Service unavailable', { retryAfter: '1' })
  test.each([
    ['none', null, UNAVAILABLE],
    ['words', 'somewhere', TEXT_MALFORMED],
    ['two addresses', `${HOME}, ${ELSEWHERE}`, TEXT_MALFORMED],
    ['an address with a port', `${HOME}:443`, TEXT_MALFORMED],
    ['leading zeros', '203.0.113.007', TEXT_MALFORMED],
    ['a number too large', '203.0.113.256', TEXT_MALFORMED],
    ['an IPv6 zone', 'fe80::1%eth0', TEXT_MALFORMED],
    ['two zero runs', '2001::db8::1', TEXT_MALFORMED],
    ['an empty text', '', TEXT_MALFORMED],
  ])('that is %s changes nothing and signs nobody out', async (_name, ip, expected) => {
    const { cookies } = await openByGuid()
    const before = await dumpTables(env.DB)

    expect(await textAnswer(await worker.call(`/${crypto.randomUUID()}`, { ip }))).toEqual(expected)
    expect(await textAnswer(await refreshByCookies(cookies, { ip }))).toEqual(expected)
    expect(await dumpTables(env.DB)).toEqual(before)
    expect(await textAnswer(await refreshByCookies(cookies))).toEqual(TEXT_GRANTED)
  })
})
