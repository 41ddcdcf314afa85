/** POST /auth/token/verify: a token judged by itself, without the database. */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import { answer, EMPTY_OK, NOT_VALID } from '../../support/answers.ts'
import { at, DAY_SECONDS, stopClock } from '../../support/clock.ts'
import { keepLog } from '../../support/log.ts'
import { post, refreshByJson, verify } from '../../support/requests.ts'
import { openByGuid } from '../../support/sessions.ts'

stopClock()
keepLog('warn')

describe('POST /auth/token/verify', () => {
  test('says nothing but 200 to a good token of either type', async () => {
    const { access, refresh: token } = await openByGuid()

    expect(await answer(await verify(access))).toEqual(EMPTY_OK)
    expect(await answer(await verify(token))).toEqual(EMPTY_OK)
  })

  test('goes by the token alone: rotation and the end of its session do not show', async () => {
    const { guid, access, refresh: token } = await openByGuid()
    expect((await refreshByJson(token)).status).toBe(200)
    await env.DB.prepare('DELETE FROM sessions').run()
    await env.DB.prepare('DELETE FROM users WHERE guid = ?').bind(guid).run()

    expect(await answer(await verify(access))).toEqual(EMPTY_OK)
    expect(await answer(await verify(token))).toEqual(EMPTY_OK)
  })

  test('asks for no address of the client', async () => {
    const { access } = await openByGuid()

    expect(await answer(await post('/auth/token/verify', { token: access }, { ip: null }))).toEqual(EMPTY_OK)
  })

  test.each([
    ['access', 300],
    ['refresh', 10 * DAY_SECONDS],
  ] as const)('refuses an %s token from its expiry on, %i s', async (type, seconds) => {
    const token = (await openByGuid())[type]
    at(seconds - 1)
    expect(await answer(await verify(token))).toEqual(EMPTY_OK)
    at(seconds)

    expect(await answer(await verify(token))).toEqual(NOT_VALID)
  })

  test.each([
    ['60 s ahead of ours', -60, EMPTY_OK],
    ['61 s ahead of ours', -61, NOT_VALID],
  ])('of a token from a clock %s', async (_name, seconds, expected) => {
    const { access, refresh: token } = await openByGuid()
    at(seconds)

    expect(await answer(await verify(access))).toEqual(expected)
    expect(await answer(await verify(token))).toEqual(expected)
  })
})
