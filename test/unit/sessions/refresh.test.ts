/** Refresh: what becomes of a presented token, in which order its faults count, and what a refusal leaves behind. */

import { describe, expect, test } from 'vitest'

import type { Client } from '../../../src/domain/places/place.ts'
import type { Settings } from '../../../src/domain/settings.ts'
import { refreshPair, refreshToken } from '../../../src/domain/sessions/refresh.ts'
import { signInByGuid } from '../../../src/domain/sessions/sign-in.ts'
import { type ErrorCode, TesseraError } from '../../../src/errors.ts'
import {
  ACCOUNT,
  ELSEWHERE,
  type FakeRow,
  type FakeServices,
  fakeServices,
  HOME,
  ISSUER,
  NOW,
} from '../../support/fakes.ts'
import { forge, testKeys, claimsOf } from '../../support/forge.ts'
import { refusal, refused } from '../../support/refusals.ts'
import { GUID } from '../../support/accounts.ts'

const FOUND = { ...ACCOUNT, isConfirmed: true }

interface Presented {
  readonly access: string
  readonly refresh: string
}

/** Both ways to refresh: the rules that follow hold for either. */
const REFRESHES = [
  [
    'a pair',
    async (services: FakeServices, pair: Presented, client: Client, issuer = ISSUER) => {
      const next = await refreshPair(services, pair, { client, issuer })
      if (next === null) throw new Error('nothing new, of a session that is bound to nothing')
      return next
    },
  ],
  [
    'a refresh token alone',
    (services: FakeServices, pair: Presented, client: Client, issuer = ISSUER) =>
      refreshToken(services, pair.refresh, { client, issuer }),
  ],
] as const

type Refresh = (typeof REFRESHES)[number][1]

/** Services with one session that was opened at home, its row, and its pair. */
async function signedIn(settings: Partial<Settings> = {}): Promise<{
  services: FakeServices
  row: FakeRow
  sid: string
  pair: Presented
}> {
  const services = fakeServices({ settings })
  const pair = await signInByGuid(services, GUID, { client: HOME, issuer: ISSUER, cookies: [] })
  const [[sid, row] = []] = services.rows
  if (sid === undefined || row === undefined) throw new Error('no session')
  services.calls.length = 0
  return { services, row, sid, pair }
}

describe.each(REFRESHES)('refreshing %s', (_name, refresh) => {
  test('gives the next pair of the session, for the account as it is now', async () => {
    const { services, row, sid, pair } = await signedIn()
    services.clock.now = NOW + 100
    row.account = { ...FOUND, email: 'new@example.com', group: 'staff' }
    const next = await refresh(services, pair, { ...HOME, city: null })

    expect(claimsOf(next.access)).toEqual({
      ...claimsOf(pair.access),
      jti: row.session.jti,
      iat: NOW + 100,
      exp: NOW + 400,
      group: 'staff',
    })
    expect(claimsOf(next.refresh)).toEqual({
      ...claimsOf(pair.refresh),
      jti: row.session.jti,
      iat: NOW + 100,
      exp: NOW + 864_100,
    })
    expect(next.account).toMatchObject({ id: 7, guid: GUID, email: 'new@example.com', group: 'staff' })
    expect(next.expiresAt).toBe(NOW + 864_100)
    expect([services.calls, services.ends, services.announced]).toEqual([['rotate'], [], []])
    expect(row.session).toMatchObject({ sid, previousJti: claimsOf(pair.refresh)['jti'], endedAt: null })
  })

  test('never lasts longer than the session may', async () => {
    const { services, pair } = await signedIn({
      sessionMaxSeconds: 1000,
      refreshTtlSeconds: 900,
      accessTtlSeconds: 300,
    })
    services.clock.now = NOW + 800
    const next = await refresh(services, pair, HOME)
    expect([claimsOf(next.access)['exp'], claimsOf(next.refresh)['exp'], next.expiresAt]).toEqual([
      NOW + 1000,
      NOW + 1000,
      NOW + 1000,
    ])
    services.clock.now = NOW + 1000
    expect(await refusal(refresh(services, next, HOME))).toEqual(refused('token_not_valid', 'out of its time'))
  })

  test('works until the second in which the refresh token ends', async () => {
    const { services, pair } = await signedIn()
    services.clock.now = NOW + 863_999
    await expect(refresh(services, pair, HOME)).resolves.toBeDefined()
    const other = await signedIn()
    other.services.clock.now = NOW + 864_000
    expect(await refusal(refresh(other.services, other.pair, HOME))).toEqual(
      refused('token_not_valid', 'out of its time'),
    )
    expect(other.services.calls).toEqual([])
  })

  test('follows a client that stays in its place, and binds the token to the address it has there now', async () => {
    const { services, row, pair } = await signedIn({ locationPolicy: 'subnet' })
    const neighbour = { ...HOME, address: '203.0.113.200' }
    const next = await refresh(services, pair, neighbour)
    expect(claimsOf(next.refresh)['ip']).toBe('203.0.113.200')
    expect(row.session.address).toBe('203.0.113.200')
  })

  test('a replay is signed under the issuer of the first answer, and a successor under the one that was asked', async () => {
    const { services, pair } = await signedIn({ refreshReuseSeconds: 10 })
    const next = await refresh(services, pair, HOME)
    const replayed = await refresh(services, pair, HOME, 'https://other.example.com')
    expect([replayed.refresh, claimsOf(replayed.access)['iss']]).toEqual([next.refresh, ISSUER])
    const successor = await refresh(services, next, HOME, 'https://other.example.com')
    expect(claimsOf(successor.refresh)['iss']).toBe('https://other.example.com')
  })

  test('a replay within the window gives the same successor: the refresh token byte for byte', async () => {
    const { services, pair } = await signedIn({ refreshReuseSeconds: 20 })
    const next = await refresh(services, pair, HOME)
    services.clock.now = NOW + 20
    const again = await refresh(services, pair, HOME)
    expect(again.refresh).toBe(next.refresh)
    expect(claimsOf(again.access)).toEqual(claimsOf(next.access))
    expect([services.ends, services.announced]).toEqual([[], []])
    await expect(refresh(services, next, HOME)).resolves.toBeDefined()
  })
})

/** Whom a mail about the session of a pair is for, and what tells that it was asked for before. */
function once(kind: string, pair: Presented) {
  const { id, sid } = claimsOf(pair.refresh)
  return { userId: id, dedupeKey: `${kind}:${String(sid)}` }
}

describe.each(REFRESHES)('refusing %s', (_name, refresh) => {
  /** What the refusal leaves: how the session ended, which mails it asked for, and whether the live pair still works. */
  async function aftermath(services: FakeServices, live: Presented) {
    const ended = services.ends.map(({ reason, notice }) => ({ reason, notice }))
    const announced = [...services.announced]
    const stillWorks = await refresh(services, live, HOME).then(
      () => true,
      () => false,
    )
    return { ended, announced: announced.length, stillWorks }
  }
  const { userAgent: _device, ...usual } = HOME
  const nothing = { ended: [], announced: 0, stillWorks: true }

  test('as a race: the session lives on, and nobody is told', async () => {
    const { services, pair } = await signedIn()
    const next = await refresh(services, pair, HOME)
    services.clock.now = NOW + 10
    expect(await refusal(refresh(services, pair, HOME))).toEqual(refused('token_used', 'race'))
    expect(await aftermath(services, next)).toEqual(nothing)
  })

  test('as reuse: the session ends, and its owner is told where it happened', async () => {
    const { services, pair } = await signedIn()
    const next = await refresh(services, pair, HOME)
    services.clock.now = NOW + 11
    expect(await refusal(refresh(services, pair, ELSEWHERE))).toEqual(refused('token_used', 'reused'))
    expect(await aftermath(services, next)).toEqual({
      ended: [
        {
          reason: 'reuse',
          notice: {
            kind: 'token_reused',
            ...once('token_reused', pair),
            facts: { at: NOW + 11, client: ELSEWHERE, origin: ISSUER },
          },
        },
      ],
      announced: 1,
      stillWorks: false,
    })
  })

  test('as reuse again: once is enough', async () => {
    const { services, pair } = await signedIn()
    await refresh(services, pair, HOME)
    services.clock.now = NOW + 11
    await refusal(refresh(services, pair, HOME))
    expect(await refusal(refresh(services, pair, HOME))).toEqual(refused('token_used', 'reused'))
    expect([services.ends.length, services.announced.length]).toEqual([1, 1])
  })

  test('as moved: the session ends, and its owner is told where it happened', async () => {
    const { services, pair } = await signedIn()
    expect(await refusal(refresh(services, pair, ELSEWHERE))).toEqual(refused('location_blocked', 'moved'))
    expect(await aftermath(services, pair)).toEqual({
      ended: [
        {
          reason: 'location',
          notice: {
            kind: 'location_blocked',
            ...once('location_blocked', pair),
            facts: { at: NOW, client: ELSEWHERE, origin: ISSUER, usual },
          },
        },
      ],
      announced: 1,
      stillWorks: false,
    })
    expect(services.ends[0]?.onlyWhileJti).toBe(claimsOf(pair.refresh)['jti'])
  })

  test('as moved, when its owner was faster: that is reuse, and ends the session', async () => {
    const { services, pair } = await signedIn()
    const overtaken = overtakenBy(services, async () => {
      next = await refresh(services, pair, HOME)
    })
    let next: Presented = pair
    expect(await refusal(refresh(overtaken, pair, ELSEWHERE))).toEqual(refused('token_used', 'reused'))
    expect(await aftermath(services, next)).toMatchObject({ ended: [{ reason: 'reuse' }], stillWorks: false })
  })

  test('as moved, when somebody else was blocked before: then it has ended, and one mail is enough', async () => {
    const { services, pair } = await signedIn()
    const overtaken = overtakenBy(services, () => refusal(refresh(services, pair, ELSEWHERE)))
    expect(await refusal(refresh(overtaken, pair, ELSEWHERE))).toEqual(refused('token_used', 'ended'))
    expect([services.ends.map(({ reason }) => reason), services.announced.length]).toEqual([['location'], 1])
  })

  test.each([
    ['the issuer of the token', undefined, ISSUER],
    ['PUBLIC_URL, where it is set', 'https://public.example.com', 'https://public.example.com'],
  ])('has the links of its mail lead to %s, wherever the request went', async (_where, publicUrl, origin) => {
    for (const reason of ['location', 'reuse'] as const) {
      const { services, pair } = await signedIn({ publicUrl })
      if (reason === 'reuse') await refresh(services, pair, HOME)
      services.clock.now = NOW + 11
      await refusal(refresh(services, pair, ELSEWHERE, 'https://evil.example'))
      expect(services.ends.map((end) => [end.reason, end.notice?.facts.origin])).toEqual([[reason, origin]])
    }
  })

  test('as inactive: the session ends, and nobody is told', async () => {
    const { services, sid, pair } = await signedIn()
    services.deactivate(sid)
    expect(await refusal(refresh(services, pair, HOME))).toEqual(refused('no_active_account', 'inactive'))
    expect(await aftermath(services, pair)).toEqual({
      ended: [{ reason: 'inactive', notice: null }],
      announced: 0,
      stillWorks: false,
    })
  })

  test('as revoked, unknown or over: nothing is left to end', async () => {
    const revoked = await signedIn()
    revoked.row.session = { ...revoked.row.session, endedAt: NOW - 1 }
    expect(await refusal(refresh(revoked.services, revoked.pair, HOME))).toEqual(refused('token_used', 'ended'))

    const unknown = await signedIn()
    unknown.services.rows.clear()
    expect(await refusal(refresh(unknown.services, unknown.pair, HOME))).toEqual(refused('token_used', 'unknown'))

    // Only a setting that was tightened since can end a session before its token.
    const over = await signedIn()
    over.row.session = { ...over.row.session, createdAt: NOW - 7_776_000 }
    expect(await refusal(refresh(over.services, over.pair, HOME))).toEqual(refused('token_used', 'expired'))

    for (const { services } of [revoked, unknown, over]) {
      expect([services.calls, services.announced]).toEqual([['rotate'], []])
    }
  })

  test('whose owner has no address: there is no mail to announce', async () => {
    const { services, pair } = await signedIn()
    const silent: FakeServices = {
      ...services,
      sessions: { ...services.sessions, end: async () => ({ ended: true, notificationId: null }) },
    }
    expect(await refusal(refresh(silent, pair, ELSEWHERE))).toEqual(refused('location_blocked', 'moved'))
    expect(services.announced).toEqual([])
  })
})

describe.each(REFRESHES)('when the database gave no answer to refreshing %s', (_name, refresh) => {
  /** The next rotation fails, after it was written or before. */
  async function inDoubt(written: boolean, settings: Partial<Settings> = {}) {
    const { services, row, sid, pair } = await signedIn(settings)
    const broken: FakeServices = {
      ...services,
      sessions: {
        ...services.sessions,
        async rotate(rotation) {
          if (written) await services.sessions.rotate(rotation)
          throw new TesseraError('unavailable', { cause: 'D1 is silent', retryAfterSeconds: 1 })
        },
      },
    }
    expect(await refusal(refresh(broken, pair, HOME))).toEqual(refused('unavailable', 'D1 is silent'))
    expect([services.ends, services.announced]).toEqual([[], []])
    return { services, row, sid, pair }
  }

  test.each([
    ['the write had happened', true],
    ['it had not', false],
  ])('the next try gives the next pair, long after: %s', async (_written, written) => {
    const { services, row, pair } = await inDoubt(written)
    services.clock.now = NOW + 60
    const next = await refresh(services, pair, HOME)
    expect(claimsOf(next.refresh)['jti']).toBe(row.session.jti)
    await expect(refresh(services, next, HOME)).resolves.toBeDefined()
    expect(services.ends).toEqual([])
  })

  test('the doubt is settled once: the token does not work again', async () => {
    const { services, pair } = await inDoubt(true)
    await refresh(services, pair, HOME)
    services.clock.now = NOW + 60
    expect(await refusal(refresh(services, pair, HOME))).toEqual(refused('token_used', 'race'))
    services.clock.now = NOW + 61
    expect(await refusal(refresh(services, pair, HOME))).toEqual(refused('token_used', 'reused'))
  })

  test('somebody elsewhere who is overtaken by the owner is a race: either of them was told to try again', async () => {
    const { services, pair } = await inDoubt(false)
    const overtaken = overtakenBy(services, () => refresh(services, pair, HOME))
    expect(await refusal(refresh(overtaken, pair, ELSEWHERE))).toEqual(refused('token_used', 'race'))
    expect(services.ends).toEqual([])
  })

  test("the doubt is nobody's after a minute", async () => {
    const { services, pair } = await inDoubt(true)
    services.clock.now = NOW + 61
    expect(await refusal(refresh(services, pair, HOME))).toEqual(refused('token_used', 'reused'))
  })

  test('with a replay window, the window heals, and nothing but the window', async () => {
    const { services, pair } = await inDoubt(true)
    const windowed = { ...services, settings: { ...services.settings, refreshReuseSeconds: 5 } }
    services.clock.now = NOW + 5
    await expect(refresh(windowed, pair, HOME)).resolves.toBeDefined()
    services.clock.now = NOW + 60
    expect(await refusal(refresh(windowed, pair, HOME))).toEqual(refused('token_used', 'race'))
    expect(services.ends).toEqual([])
  })

  test('somebody elsewhere who has the token gets nothing, and takes nothing away', async () => {
    const { services, pair } = await inDoubt(true)
    expect(await refusal(refresh(services, pair, ELSEWHERE))).toEqual(refused('token_used', 'race'))
    expect(services.ends).toEqual([])
    services.clock.now = NOW + 60
    await expect(refresh(services, pair, HOME)).resolves.toBeDefined()
  })

  test('of two retries at once, however late, one gets the pair, and the other is a race', async () => {
    const { services, pair } = await inDoubt(true)
    services.clock.now = NOW + 60
    await expect(refresh(services, pair, HOME)).resolves.toBeDefined()
    expect(await refusal(refresh(services, pair, HOME))).toEqual(refused('token_used', 'race'))
    expect(services.ends).toEqual([])
  })

  test('somebody elsewhere is blocked where the write had not happened', async () => {
    const { services, pair } = await inDoubt(false)
    expect(await refusal(refresh(services, pair, ELSEWHERE))).toEqual(refused('location_blocked', 'moved'))
  })
})

/** Services of which something else is done between the rotation and what follows from it. */
function overtakenBy(services: FakeServices, act: () => Promise<unknown>): FakeServices {
  return {
    ...services,
    sessions: {
      ...services.sessions,
      async rotate(rotation) {
        const found = await services.sessions.rotate(rotation)
        await act()
        return found
      },
    },
  }
}

describe('a caller who fails two checks is told about the first one', () => {
  /** What a test does to a good pair and its surroundings, before the tokens are signed. */
  interface Draft {
    access: Record<string, unknown>
    refresh: Record<string, unknown>
    readonly unsigned: Set<'access' | 'refresh'>
    readonly malformed: Set<'access' | 'refresh'>
    client: Client
    readonly row: FakeRow
  }

  interface Fault {
    readonly name: string
    readonly apply: (draft: Draft) => void
    readonly code: ErrorCode
    readonly cause: string | undefined
    /** It shows only where an access token is presented too. */
    readonly needsAccess?: true
  }

  // In the order of the contract. Faults of one step stand beside each other, and have one code.
  const FAULTS: readonly (readonly Fault[])[] = [
    [
      fault('form of access', (draft) => draft.malformed.add('access'), 'wrong_data_structure', 'form', true),
      fault('form of refresh', (draft) => draft.malformed.add('refresh'), 'wrong_data_structure', 'form'),
    ],
    [
      fault('signature of access', (draft) => draft.unsigned.add('access'), 'token_not_valid', 'signature', true),
      fault('signature of refresh', (draft) => draft.unsigned.add('refresh'), 'token_not_valid', 'signature'),
    ],
    [
      fault('claims of access', (draft) => (draft.access['group'] = 7), 'wrong_data_structure', 'claims', true),
      fault('claims of refresh', (draft) => (draft.refresh['ip'] = 'unknown'), 'wrong_data_structure', 'claims'),
    ],
    [
      fault('expiry', (draft) => (draft.refresh['exp'] = NOW), 'token_not_valid', 'out of its time'),
      fault('a time to come', (draft) => (draft.refresh['iat'] = NOW + 61), 'token_not_valid', 'out of its time'),
    ],
    [fault('pair', (draft) => (draft.access['jti'] = 'another'), 'token_pair_not_valid', 'pair', true)],
    [fault('used', use, 'token_used', 'race')],
    [fault('location', (draft) => (draft.client = ELSEWHERE), 'location_blocked', 'moved')],
  ]

  function fault(
    name: string,
    apply: (draft: Draft) => unknown,
    code: ErrorCode,
    cause: string | undefined,
    needsAccess?: true,
  ): Fault {
    return { name, apply, code, cause, ...(needsAccess && { needsAccess }) }
  }

  /** Somebody has rotated the presented token away. */
  function use({ row }: Draft): void {
    row.session = { ...row.session, previousJti: row.session.jti, jti: 'successor', rotatedAt: NOW }
  }

  async function sign(type: 'access' | 'refresh', draft: Draft): Promise<string> {
    const key = testKeys[type].signing
    const good = await forge({ alg: key.alg, typ: 'JWT', kid: key.kid }, draft[type], key)
    const other = await forge({ alg: key.alg, typ: 'JWT', kid: key.kid }, { not: 'this' }, key)
    const signature = (draft.unsigned.has(type) ? other : good).split('.')[2]
    const text = `${good.slice(0, good.lastIndexOf('.'))}.${signature}`
    return draft.malformed.has(type) ? `${text}.` : text
  }

  async function attempt(refresh: Refresh, faults: readonly Fault[]) {
    const { services, row, pair } = await signedIn()
    const [access, refreshClaims] = [claimsOf(pair.access), claimsOf(pair.refresh)]
    const draft: Draft = {
      access,
      refresh: refreshClaims,
      unsigned: new Set(),
      malformed: new Set(),
      client: HOME,
      row,
    }
    for (const { apply } of faults) apply(draft)
    const presented = { access: await sign('access', draft), refresh: await sign('refresh', draft) }
    const before = structuredClone(row)
    return { result: refresh(services, presented, draft.client), services, before, row }
  }

  test.each(REFRESHES)('and without a fault, %s is exchanged', async (_name, refresh) => {
    const { result } = await attempt(refresh, [])
    await expect(result).resolves.toBeDefined()
  })

  const pairs = FAULTS.flatMap((step, i) =>
    step.flatMap((first) => [
      [first],
      ...FAULTS.slice(i + 1).flatMap((later) => later.map((second) => [first, second])),
    ]),
  )
  const cases = REFRESHES.flatMap(([name, refresh]) =>
    pairs
      .filter((faults) => name === 'a pair' || !faults.some(({ needsAccess }) => needsAccess))
      .map((faults) => [name, faults.map((one) => one.name).join(' and '), refresh, faults] as const),
  )

  test.each(cases)('%s: %s', async (_name, _faults, refresh, faults) => {
    const { result, services, before, row } = await attempt(refresh, faults)
    const [first] = faults
    if (first === undefined) throw new Error('a case without a fault')
    // A used token from elsewhere is used, too; only whether that ends the session goes by the place.
    const isReuse = first.name === 'used' && faults.length > 1
    expect(await refusal(result)).toEqual(refused(first.code, isReuse ? 'reused' : first.cause))
    if (first.name === 'location' || isReuse) return
    // A refused request changes nothing, and the database is not even asked about what is not signed and current.
    expect(row).toEqual(before)
    expect(services.calls).toEqual(first.name === 'used' ? ['rotate'] : [])
  })

  test('a refresh token is not disturbed by the age of the access token beside it', async () => {
    const { services, pair } = await signedIn()
    services.clock.now = NOW + 800_000
    await expect(refreshPair(services, pair, { client: HOME, issuer: ISSUER })).resolves.toBeDefined()
  })

  test('the tokens of a pair do not stand in for each other', async () => {
    const { services, pair } = await signedIn()
    const swapped = { access: pair.refresh, refresh: pair.access }
    expect(await refusal(refreshPair(services, swapped, { client: HOME, issuer: ISSUER }))).toEqual(
      refused('token_not_valid', 'kid'),
    )
    const twice = { access: pair.refresh, refresh: pair.refresh }
    expect(await refusal(refreshPair(services, twice, { client: HOME, issuer: ISSUER }))).toEqual(
      refused('token_not_valid', 'kid'),
    )
    expect(await refusal(refreshToken(services, pair.access, { client: HOME, issuer: ISSUER }))).toEqual(
      refused('token_not_valid', 'kid'),
    )
    expect(services.calls).toEqual([])
  })
})

describe('the place', () => {
  test.each([
    ['address', 'the same address', { ...HOME, asn: null, country: null }, null],
    ['address', 'another address', { ...HOME, address: '203.0.113.8' }, 'location_blocked'],
    ['subnet', 'another address of the /24', { ...HOME, address: '203.0.113.8' }, null],
    ['subnet', 'the next /24', { ...HOME, address: '203.0.114.7' }, 'location_blocked'],
    ['asn', 'the same AS elsewhere', { ...ELSEWHERE, asn: HOME.asn }, null],
    ['asn', 'another AS', ELSEWHERE, 'location_blocked'],
    ['asn', 'another address of no known AS', { ...ELSEWHERE, asn: null }, 'location_blocked'],
    ['asn', 'the same address of no known AS', { ...HOME, asn: null }, null],
    ['country', 'another network of the country', { ...ELSEWHERE, country: HOME.country }, null],
    ['country', 'another country', ELSEWHERE, 'location_blocked'],
    ['country', 'another address of no known country', { ...ELSEWHERE, country: null }, 'location_blocked'],
    ['country', 'the same address of no known country', { ...HOME, country: null }, null],
    ['off', 'anywhere', { ...ELSEWHERE, asn: null, country: null }, null],
  ] as const)('under %s, from %s', async (locationPolicy, _where, client, code) => {
    const { services, pair } = await signedIn({ locationPolicy })
    const attempt = refreshPair(services, pair, { client, issuer: ISSUER })
    if (code === null) await expect(attempt).resolves.toBeDefined()
    else expect(await refusal(attempt)).toEqual(refused(code, 'moved'))
  })

  test.each(['address', 'subnet', 'asn', 'country', 'off'] as const)(
    'a change of the policy from address to %s signs nobody out who stayed',
    async (locationPolicy) => {
      const { services, pair } = await signedIn({ locationPolicy: 'address' })
      const changed = { ...services, settings: { ...services.settings, locationPolicy } }
      await expect(refreshPair(changed, pair, { client: HOME, issuer: ISSUER })).resolves.toBeDefined()
    },
  )
})
