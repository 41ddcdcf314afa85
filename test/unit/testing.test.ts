/** The test kit, as far as it is rules: what may be set, which secrets are none, and from whom its requests come. What it starts is tested in e2e/testing.test.ts. */

import { describe, expect, test } from 'vitest'

import { CONFIG_KEYS, parseConfig } from '../../src/config.ts'
import { LINKS } from '../../src/domain/mails/links.ts'
import { refusalOf } from '../../src/testing/http.ts'
import { lastMail } from '../../src/testing/mails.ts'
import { isTestSecret, newTestSecret, realSecrets, SECRET_SETTINGS } from '../../src/testing/secrets.ts'
import { KEPT_SETTINGS, SETTINGS, toBindings } from '../../src/testing/settings.ts'
import { TEST_BINDINGS } from '../support/bindings.ts'

const { AUTH_SECRET: REAL } = TEST_BINDINGS

describe('settings', () => {
  test('are all that Tessera has, each free, kept, or a secret', () => {
    const known = [...SETTINGS, ...Object.keys(KEPT_SETTINGS), ...Object.keys(SECRET_SETTINGS)]
    expect(known.toSorted()).toEqual(CONFIG_KEYS.toSorted())
    expect(new Set(known).size).toBe(known.length)
  })

  test('are given to Tessera as an operator writes them', () => {
    const settings = {
      LOCATION_POLICY: 'country',
      REFRESH_REUSE_SECONDS: 10,
      CORS_ORIGINS: ['http://a.test', 'http://b.test'],
    }
    const bindings = toBindings(settings)
    expect(bindings).toMatchObject({
      LOCATION_POLICY: 'country',
      REFRESH_REUSE_SECONDS: '10',
      CORS_ORIGINS: 'http://a.test,http://b.test',
    })
    expect(() => parseConfig(toBindings({ REFRESH_REUSE_SECONDS: 10 }))).not.toThrow()
  })

  test('of RS256 bring a key that Tessera takes', () => {
    expect(() => parseConfig(toBindings({ ACCESS_TOKEN_ALG: 'RS256' }))).not.toThrow()
    expect(toBindings({})).not.toHaveProperty('ACCESS_TOKEN_RSA_KEY')
  })

  test.each(Object.keys(SECRET_SETTINGS))('may not be the secret %s, whatever its value', (name) => {
    expect(() => toBindings({ [name]: newTestSecret() })).toThrow(`takes no ${name}`)
  })

  test.each(Object.keys(KEPT_SETTINGS))('may not be %s, which the kit decides', (name) => {
    expect(() => toBindings({ [name]: 'x' })).toThrow(`decides ${name} itself`)
  })

  test.each(['LOCATION_POLICI', 'constructor', ''])('may not be «%s», which Tessera does not have', (name) => {
    expect(() => toBindings({ [name]: 'x' })).toThrow(`Tessera has no setting ${name};`)
  })
})

describe('secrets', () => {
  test('are made anew each time, and Tessera takes them', () => {
    const { AUTH_SECRET, SERVICE_KEY } = toBindings({})
    expect([isTestSecret(AUTH_SECRET), isTestSecret(SERVICE_KEY)]).toEqual([true, true])
    expect(new Set([AUTH_SECRET, SERVICE_KEY, newTestSecret()]).size).toBe(3)
  })

  test.each([
    ['another form', REAL],
    ['its mark alone', 'only-for-tests-'],
    ['a real one behind the mark', `only-for-tests-${REAL}`],
    ['its end alone', newTestSecret().replace('only-for-tests-', 'only-for-risks-')],
    ['a longer one', `${newTestSecret()}0`],
    ['nothing', undefined],
  ])('are none of the kit with %s', (_what, secret) => {
    expect(isTestSecret(secret)).toBe(false)
  })

  test.each(Object.entries(SECRET_SETTINGS))('in an environment are found: %s', (name, reason) => {
    expect(realSecrets({ PATH: '/bin', [name]: REAL })).toEqual([`${name} is set: ${reason}`])
  })

  test('that the kit made are none in an environment, and neither is an empty one', () => {
    expect(realSecrets({ SERVICE_KEY: newTestSecret(), AUTH_SECRET: '', MAIL_API_KEY: undefined })).toEqual([])
  })
})

describe('a request to npx tessera-testing', () => {
  const serviceKey = newTestSecret()
  const good = { host: 'localhost:4000', authorization: `Bearer ${serviceKey}` }

  test('is answered on this machine, with the key', () => {
    expect(refusalOf({ headers: good }, serviceKey)).toBeNull()
    expect(refusalOf({ headers: { ...good, host: '127.0.0.1:4000' } }, serviceKey)).toBeNull()
  })

  test.each([
    ['under a name that was made to lead here', { host: 'evil.example:4000' }],
    ['under no name', { host: undefined }],
    ['from a page', { origin: 'http://localhost:3000' }],
    ['from an image or a link of a page', { 'sec-fetch-site': 'same-site' }],
    ['without the key', { authorization: undefined }],
    ['with another key', { authorization: `Bearer ${newTestSecret()}` }],
    ['with the key and more', { authorization: `Bearer ${serviceKey}0` }],
  ])('is refused %s', (_how, headers) => {
    expect(refusalOf({ headers: { ...good, ...headers } }, serviceKey)).not.toBeNull()
  })
})

describe('a mail', () => {
  test('has its links by the purposes of Tessera', async () => {
    const urls = Object.values(LINKS).map(({ path }) => `http://localhost:1${path}?token=a.b-c_d`)
    const mail = { id: '1', to: 'a@example.com', subject: '', html: '', text: `Press\n${urls.join('\n')}\nor not.` }
    const served = {
      control: async () => ({ id: '1', kind: 'confirm', isSent: 1, lastError: null }),
      mails: new Map([['1', mail]]),
    }
    const { links } = await lastMail(served, 'a@example.com')
    expect(links).toEqual(Object.fromEntries(Object.keys(LINKS).map((purpose, i) => [purpose, urls[i]])))
  })
})
