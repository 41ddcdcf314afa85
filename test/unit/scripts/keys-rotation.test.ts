/** `npm run keys -- rotate`: the order of a rotation, and what is refused for being too early. */

import { describe, expect, test } from 'vitest'

import { withVariables } from '../../../scripts/keys/place.ts'
import { nextStep, note, type RotatingSecrets, type Served } from '../../../scripts/keys/rotation.ts'
import { JWKS_SECONDS } from '../../../src/domain/tokens/tokens.ts'

const NOW = 1_800_000_000
const TTL = 864_000
const NONE = { listedSince: {}, signingSince: {} }
const START: RotatingSecrets = { AUTH_SECRET: 'one', AUTH_SECRET_NEXT: '', AUTH_SECRET_PREVIOUS: '' }

/** What a deployment of these secrets lists. */
function listed({ AUTH_SECRET, AUTH_SECRET_NEXT, AUTH_SECRET_PREVIOUS }: RotatingSecrets): readonly string[] {
  const all = [AUTH_SECRET, AUTH_SECRET_NEXT, ...AUTH_SECRET_PREVIOUS.split(',')]
  return [...new Set(all.filter((secret) => secret !== '').map(kidOf))]
}

function kidOf(secret: string): string {
  return `kid of ${secret}`
}

function next(secrets: RotatingSecrets, served: Served | null, now = NOW, refreshTtlSeconds = TTL) {
  return nextStep(secrets, { kidOf, served, refreshTtlSeconds, newSecret: () => 'two', now })
}

/** A deployment, as it was looked at whenever something happened. */
class Deployment {
  served: Served = note([], NONE, NOW)
  now = NOW

  deploy(secrets: RotatingSecrets): this {
    this.served = note(listed(secrets), this.served, this.now)
    return this
  }

  wait(seconds: number): this {
    this.now += seconds
    return this
  }

  step(secrets: RotatingSecrets) {
    return next(secrets, this.served, this.now)
  }

  /** The next step, which has to be one that changes something. */
  change(secrets: RotatingSecrets): RotatingSecrets {
    const step = this.step(secrets)
    if (step.kind !== 'change') throw new Error(`${step.kind}: ${step.why}`)
    return step.secrets
  }
}

describe('a rotation', () => {
  test('publishes, waits, signs, waits and forgets', () => {
    const there = new Deployment().deploy(START)
    const published = there.change(START)
    expect(published).toEqual({ ...START, AUTH_SECRET_NEXT: 'two' })

    there.deploy(published)
    expect(there.wait(JWKS_SECONDS - 1).step(published)).toMatchObject({ kind: 'wait', until: NOW + JWKS_SECONDS })
    const signing = there.wait(1).change(published)
    expect(signing).toEqual({ AUTH_SECRET: 'two', AUTH_SECRET_NEXT: '', AUTH_SECRET_PREVIOUS: 'one' })

    const signingSince = there.now
    there.deploy(signing)
    expect(there.wait(TTL - 1).step(signing)).toMatchObject({ kind: 'wait', until: signingSince + TTL })
    expect(there.wait(1).change(signing)).toEqual({ ...START, AUTH_SECRET: 'two' })
  })

  test('keeps earlier secrets beside the one that it replaces', () => {
    const secrets = { ...START, AUTH_SECRET_NEXT: 'two', AUTH_SECRET_PREVIOUS: 'zero' }
    const there = new Deployment().deploy(secrets).wait(JWKS_SECONDS)
    expect(there.change(secrets)).toEqual({
      AUTH_SECRET: 'two',
      AUTH_SECRET_NEXT: '',
      AUTH_SECRET_PREVIOUS: 'one,zero',
    })
  })

  test('waits for the links in mails, which are good for a week, where refresh tokens are over before', () => {
    const secrets = { ...START, AUTH_SECRET_PREVIOUS: 'zero' }
    const { served } = new Deployment().deploy(secrets)
    const week = 7 * 86_400
    expect(next(secrets, served, NOW + week - 1, 3600)).toMatchObject({ kind: 'wait', until: NOW + week })
    expect(next(secrets, served, NOW + week, 3600)).toMatchObject({ kind: 'change' })
  })

  test('forgets a next secret that signs already', () => {
    const secrets = { ...START, AUTH_SECRET_NEXT: 'one', AUTH_SECRET_PREVIOUS: 'zero' }
    expect(new Deployment().deploy(secrets).wait(TTL).change(secrets)).toMatchObject({ AUTH_SECRET_PREVIOUS: '' })
  })

  test.each<[string, RotatingSecrets, Served | null]>([
    ['where nobody knows what is served', START, null],
    ['where another secret signs', START, note(['kid of zero'], NONE, NOW)],
    ['where nothing is listed', START, note([], NONE, NOW)],
    ['before the next secret is listed', { ...START, AUTH_SECRET_NEXT: 'two' }, note(['kid of one'], NONE, NOW - TTL)],
  ])('goes no further %s', (_where, secrets, served) => {
    expect(next(secrets, served)).toMatchObject({ kind: 'deploy' })
  })

  test('counts from when a key was listed last without a break', () => {
    const published = { ...START, AUTH_SECRET_NEXT: 'two' }
    const there = new Deployment().deploy(published).wait(JWKS_SECONDS).deploy(START).wait(10).deploy(published)
    expect(there.step(published)).toMatchObject({ kind: 'wait', until: NOW + JWKS_SECONDS + 10 + JWKS_SECONDS })
  })
})

describe('the variables of an env file', () => {
  const TEXT = '# Written by npm start.\nAUTH_SECRET=one\nSERVICE_KEY=key\n'

  test.each([
    ['are replaced in their lines', TEXT, { AUTH_SECRET: 'two' }, TEXT.replace('=one', '=two')],
    ['are added at the end', TEXT, { AUTH_SECRET_NEXT: 'two' }, `${TEXT}AUTH_SECRET_NEXT=two\n`],
    ['are not added where they are empty', TEXT, { AUTH_SECRET_NEXT: '' }, TEXT],
    ['are emptied', `${TEXT}AUTH_SECRET_NEXT=two\n`, { AUTH_SECRET_NEXT: '' }, `${TEXT}AUTH_SECRET_NEXT=\n`],
    ['may be exported', 'export AUTH_SECRET=one', { AUTH_SECRET: 'two' }, 'AUTH_SECRET=two\n'],
    [
      'are those of their whole name',
      'MY_AUTH_SECRET=one\n',
      { AUTH_SECRET: 'two' },
      'MY_AUTH_SECRET=one\nAUTH_SECRET=two\n',
    ],
    ['may hold what a replacement would read', 'AUTH_SECRET=a', { AUTH_SECRET: '$&$1==' }, 'AUTH_SECRET=$&$1==\n'],
  ])('%s', (_how, text, variables, expected) => {
    expect(withVariables(text, variables)).toBe(expected)
  })
})
