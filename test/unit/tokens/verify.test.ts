/** Verification of one token, and in which order its faults count. */

import { describe, expect, test } from 'vitest'

import { verifyToken } from '../../../src/domain/tokens/verify.ts'
import { accessClaims, refreshClaims, tokens, without } from '../../support/claims.ts'
import { NOW } from '../../support/fakes.ts'
import { forge, testKeys, strangerKeys } from '../../support/forge.ts'
import { refusal, refused } from '../../support/refusals.ts'

describe('verification of one token', () => {
  const services = { tokens, now: () => NOW }

  test('returns for a good one of either type', async () => {
    await expect(verifyToken(services, await tokens.sign(accessClaims))).resolves.toBeUndefined()
    await expect(verifyToken(services, await tokens.sign(refreshClaims))).resolves.toBeUndefined()
  })

  test('pins what each type has to be by its key', async () => {
    const kids = { access: testKeys.access.signing.kid, refresh: testKeys.refresh.signing.kid }
    const asAccess = await forge({ alg: 'HS256', kid: kids.refresh }, accessClaims, testKeys.refresh.signing)
    expect(await refusal(() => verifyToken(services, asAccess))).toEqual(refused('token_not_valid', 'type'))
    const asRefresh = await forge({ alg: 'ES256', kid: kids.access }, refreshClaims, testKeys.access.signing)
    expect(await refusal(() => verifyToken(services, asRefresh))).toEqual(refused('token_not_valid', 'type'))
    const confused = await forge({ alg: 'HS256', kid: kids.access }, accessClaims, testKeys.refresh.signing)
    expect(await refusal(() => verifyToken(services, confused))).toEqual(refused('token_not_valid', 'kid'))
  })

  test.each(['access', 'refresh'] as const)(
    'tells a %s token with several faults about the first one',
    async (type) => {
      const good = type === 'access' ? accessClaims : refreshClaims
      const header = { alg: testKeys[type].signing.alg, kid: testKeys[type].signing.kid }
      const expired = { ...good, exp: NOW }
      const malformed = without(expired, 'sid')
      const own = testKeys[type].signing
      const foreign = strangerKeys[type].signing
      const attempts = [
        [`${await forge(header, malformed, foreign)}=`, 'wrong_data_structure', 'form'],
        [await forge(header, malformed, foreign), 'token_not_valid', 'signature'],
        [await forge(header, malformed, own), 'wrong_data_structure', 'claims'],
        [await forge(header, expired, own), 'token_not_valid', 'out of its time'],
      ] as const
      for (const [token, code, cause] of attempts) {
        expect(await refusal(() => verifyToken(services, token))).toEqual(refused(code, cause))
      }
    },
  )
})
