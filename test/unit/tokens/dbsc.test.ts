/** Challenges that browsers sign, and what is not taken for a proof over one of them. */

import { describe, expect, test } from 'vitest'

import {
  askedChallenge,
  keptChallenge,
  readRefreshProof,
  readRegistration,
  registrationChallenge,
} from '../../../src/domain/tokens/dbsc.ts'
import { type DeviceKey, SOME_OTHER_KEY } from '../../../src/domain/tokens/device-key.ts'
import { createTokens } from '../../../src/domain/tokens/tokens.ts'
import { createProvingClient, signChallenge } from '../../support/dpop.ts'
import { encodePart, testKeys, twinOf } from '../../support/forge.ts'
import { NOW } from '../../support/fakes.ts'

const tokens = createTokens(testKeys)
const client = await createProvingClient()
const KEY: DeviceKey = `${client.jwk.x ?? ''}.${client.jwk.y ?? ''}`
const SID = crypto.randomUUID()
const JTI = crypto.randomUUID()
const presented = { sid: SID, jti: JTI }

function challenge(changes: Partial<Parameters<typeof askedChallenge>[1]> = {}, now = NOW): Promise<string> {
  return askedChallenge(tokens, { ...presented, key: KEY, ...changes }, now)
}

/** A proof with any header, signed as ES256 all the same. */
async function sign(header: Readonly<Record<string, unknown>>, payload: unknown): Promise<string> {
  const signed = `${encodePart(header)}.${encodePart(payload)}`
  const algorithm = { name: 'ECDSA', hash: 'SHA-256' }
  const bytes = new TextEncoder().encode(signed)
  return `${signed}.${encodePart(new Uint8Array(await crypto.subtle.sign(algorithm, client.privateKey, bytes)))}`
}

describe('a challenge', () => {
  test('is another one each time, also within a second', async () => {
    expect(await challenge()).not.toBe(await challenge())
    const [one, two] = [await registrationChallenge(tokens, SID, NOW), await registrationChallenge(tokens, SID, NOW)]
    expect(one).not.toBe(two)
  })
})

describe('the proof of a refresh', () => {
  const header = { alg: 'ES256', typ: 'dbsc+jwt' }

  test('shows the key of the session, and has a name of its own', async () => {
    const proofs = [await signChallenge(client, await challenge()), await signChallenge(client, await challenge())]
    const read = await Promise.all(proofs.map((text) => readRefreshProof(tokens, text, presented, NOW)))
    expect(read).toEqual([
      { key: KEY, id: expect.stringMatching(/^[\w-]{22}$/), isFresh: true },
      { key: KEY, id: expect.any(String), isFresh: true },
    ])
    expect(read[0]).not.toEqual(read[1])
  })

  test('over the challenge that a browser keeps is good as long as that, and not fresh', async () => {
    const life = { now: NOW, expiresAt: NOW + 120 }
    const text = await signChallenge(client, await keptChallenge(tokens, { ...presented, key: KEY }, life))
    expect(await readRefreshProof(tokens, text, presented, NOW + 119)).toMatchObject({ key: KEY, isFresh: false })
    expect(await readRefreshProof(tokens, text, presented, NOW + 120)).toEqual({ refused: 'challenge' })
  })

  test('has one name, whichever signature it has', async () => {
    const text = await signChallenge(client, await challenge())
    expect(await readRefreshProof(tokens, twinOf(text), presented, NOW)).toEqual(
      await readRefreshProof(tokens, text, presented, NOW),
    )
  })

  test('by another key shows some other one, also where it names its own', async () => {
    const thief = await createProvingClient()
    const text = await signChallenge(thief, await challenge(), { jwk: thief.jwk })
    expect(await readRefreshProof(tokens, text, presented, NOW)).toMatchObject({ key: SOME_OTHER_KEY })
  })

  test('over the challenge of a key that is none shows some other one', async () => {
    const text = await signChallenge(client, await challenge({ key: 'x.y' }))
    expect(await readRefreshProof(tokens, text, presented, NOW)).toMatchObject({ key: SOME_OTHER_KEY })
  })

  test.each<[string, string, () => Promise<string>]>([
    [
      'of another session',
      'challenge',
      async () => signChallenge(client, await challenge({ sid: crypto.randomUUID() })),
    ],
    ['of another token', 'challenge', async () => signChallenge(client, await challenge({ jti: crypto.randomUUID() }))],
    [
      'of a registration',
      'challenge',
      async () => signChallenge(client, await registrationChallenge(tokens, SID, NOW)),
    ],
    ['that is too old', 'challenge', async () => signChallenge(client, await challenge({}, NOW - 60))],
    ['of the future', 'challenge', async () => signChallenge(client, await challenge({}, NOW + 3600))],
    ['that is none', 'challenge', () => signChallenge(client, 'challenge')],
    ['that is empty', 'challenge', () => signChallenge(client, '')],
    ['of another algorithm', 'proof header', async () => sign({ ...header, alg: 'ES384' }, { jti: await challenge() })],
    ['without an algorithm', 'proof header', async () => sign({ ...header, alg: 'none' }, { jti: await challenge() })],
    ['of another type', 'proof header', async () => sign({ ...header, typ: 'JWT' }, { jti: await challenge() })],
    ['without a type', 'proof header', async () => sign({ alg: 'ES256' }, { jti: await challenge() })],
    ['with an extension', 'proof header', async () => sign({ ...header, crit: ['exp'] }, { jti: await challenge() })],
    ['without a challenge', 'proof claims', () => sign(header, {})],
    ['with a number for a challenge', 'proof claims', () => sign(header, { jti: 1 })],
    ['of a list', 'proof form', async () => sign(header, [await challenge()])],
    [
      'of two parts',
      'proof form',
      async () => (await sign(header, { jti: await challenge() })).replace(/\.[^.]*$/, ''),
    ],
    ['with a space', 'proof form', async () => ` ${await sign(header, { jti: await challenge() })}`],
  ])('%s is refused as %s', async (_which, refused, prove) => {
    expect(await readRefreshProof(tokens, await prove(), presented, NOW)).toEqual({ refused })
  })
})

describe('the proof of a registration', () => {
  test('shows the key that it names', async () => {
    const text = await signChallenge(client, await registrationChallenge(tokens, SID, NOW), { jwk: client.jwk })
    expect(await readRegistration(tokens, text, SID, NOW)).toEqual({ key: KEY })
    expect(await readRegistration(tokens, text, SID, NOW + 300)).toEqual({ refused: 'challenge' })
    expect(await readRegistration(tokens, text, crypto.randomUUID(), NOW)).toEqual({ refused: 'challenge' })
  })

  test('over the challenge of a refresh of that session is refused', async () => {
    const text = await signChallenge(client, await challenge(), { jwk: client.jwk })
    expect(await readRegistration(tokens, text, SID, NOW)).toEqual({ refused: 'challenge' })
  })
})
