/** A pair is a function of the row of its session. */

import { describe, expect, test } from 'vitest'

import { signPair } from '../../../src/domain/sessions/pair.ts'
import { accessClaims, refreshClaims, tokens } from '../../support/claims.ts'
import { ACCOUNT, DEFAULT_SETTINGS, ISSUER, NOW } from '../../support/fakes.ts'
import { decodeToken, testKeys } from '../../support/forge.ts'

describe('a pair', () => {
  const account = { ...ACCOUNT, group: 'staff' }
  const session = {
    sid: 'session',
    jti: 'first',
    issuedAt: NOW,
    expiresAt: NOW + 864_000,
    address: '203.0.113.7',
    binding: null,
  }

  test('shows its session and its account, and no more', async () => {
    const pair = await signPair({ settings: DEFAULT_SETTINGS, tokens }, ISSUER, session, account)
    expect(decodeToken(pair.access)).toEqual({
      header: { alg: 'ES256', typ: 'JWT', kid: testKeys.access.signing.kid },
      payload: { ...accessClaims, group: 'staff' },
    })
    expect(decodeToken(pair.refresh)).toEqual({
      header: { alg: 'HS256', typ: 'JWT', kid: testKeys.refresh.signing.kid },
      payload: refreshClaims,
    })
    expect([pair.account, pair.expiresAt, pair.session]).toEqual([account, NOW + 864_000, session])
  })

  test.each([
    ['names the audience where one is configured', 'https://api.example.com', { aud: 'https://api.example.com' }],
    ['has no audience otherwise', undefined, {}],
  ])('%s, in the access token alone', async (_name, audience, expected) => {
    const settings = { ...DEFAULT_SETTINGS, audience }
    const { access, refresh } = await signPair({ settings, tokens }, ISSUER, session, account)
    expect(decodeToken(access).payload).toEqual({ ...accessClaims, group: 'staff', ...expected })
    expect(decodeToken(refresh).payload).toEqual(refreshClaims)
  })

  test.each([
    ['lasts its own time', NOW + 864_000, NOW + 300],
    ['lasts its own time when both end together', NOW + 300, NOW + 300],
    ['ends with its session', NOW + 299, NOW + 299],
  ])('its access token %s', async (_name, expiresAt, exp) => {
    const pair = await signPair({ settings: DEFAULT_SETTINGS, tokens }, ISSUER, { ...session, expiresAt }, account)
    expect(decodeToken(pair.access).payload['exp']).toBe(exp)
    expect(decodeToken(pair.refresh).payload['exp']).toBe(expiresAt)
  })

  test('is a function of its row: the refresh token byte for byte, the access token by its claims', async () => {
    const [one, two] = await Promise.all(
      [1, 2].map(() => signPair({ settings: DEFAULT_SETTINGS, tokens }, ISSUER, { ...session }, { ...account })),
    )
    expect(two?.refresh).toBe(one?.refresh)
    expect(decodeToken(two?.access ?? '')).toEqual(decodeToken(one?.access ?? ''))
  })
})
