/** The cookie transport: what a browser sees. */

import { describe, expect, test } from 'vitest'

import { decodeToken } from '../support/forge.ts'
import { ORIGIN, pairOf, setCookies, startWorker } from '../support/worker.ts'

const GUID = '6f9619ff-8b86-d011-b42d-00c04fc964ff'

describe('GET /{guid}', () => {
  test('opens a session and hands out a pair in cookies, with an empty body', async () => {
    const worker = startWorker()
    const response = await worker.call(`/${GUID}`)

    expect(response.status).toBe(200)
    expect(await response.text()).toBe('')
    const { access_token: access } = pairOf(response)
    expect(decodeToken(access).payload).toMatchObject({ iss: ORIGIN, guid: GUID, token_type: 'access' })
    expect(setCookies(response)['refresh_token']?.attributes).toEqual([
      'Max-Age=864000',
      'Path=/refresh',
      'HttpOnly',
      'Secure',
      'SameSite=Strict',
    ])
  })
})
