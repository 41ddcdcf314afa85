/** The secret, rotated by the steps of docs/configuration.md, with verifiers that keep the JWKS as long as they may. */

import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { expect, test } from 'vitest'

import configuration from '../../../docs/configuration.md?raw'
import { TEST_BINDINGS } from '../../support/bindings.ts'
import { claimsOf } from '../../support/forge.ts'
import { refreshByJson, verify } from '../../support/requests.ts'
import { openByGuid, type Tokens } from '../../support/sessions.ts'
import { ORIGIN, pairOf, startWorker, type TestWorker } from '../../support/worker.ts'

const OLD = TEST_BINDINGS.AUTH_SECRET
const NEW = TEST_BINDINGS.AUTH_SECRET_PREVIOUS

/** What the numbered steps of docs/configuration.md change, each in one deploy; the step that waits changes nothing. */
const changes = [...configuration.matchAll(/^\d\. (?:.+\n)*?(?=\d\. |\n)/gm)]
  .map(([step]) =>
    Object.fromEntries(
      [...step.matchAll(/`(AUTH_SECRET\w*)` becomes (?:`(.+?)`|empty)/g)].map(([, key = '', value = '']) => [
        key,
        value.replace('NEW', NEW).replace('OLD', OLD),
      ]),
    ),
  )
  .filter((change) => Object.keys(change).length > 0)
const start = { AUTH_SECRET: OLD, AUTH_SECRET_PREVIOUS: '', AUTH_SECRET_NEXT: '' }
const steps = [{}, ...changes].map((_, i) => startWorker(Object.assign({}, start, ...changes.slice(0, i))))
const [before, published, signing, after] = steps as [TestWorker, TestWorker, TestWorker, TestWorker]

test('takes three changes, one a deploy', () => {
  expect(changes.map((change) => Object.keys(change))).toEqual([
    ['AUTH_SECRET_NEXT'],
    ['AUTH_SECRET_PREVIOUS', 'AUTH_SECRET', 'AUTH_SECRET_NEXT'],
    ['AUTH_SECRET_PREVIOUS'],
  ])
})

async function open(by: TestWorker) {
  return pairOf(await by.call(`/${crypto.randomUUID()}`))
}

async function refreshed(by: TestWorker, cookies: Readonly<Record<string, string>>): Promise<number> {
  return (await by.call('/refresh', { cookies })).status
}

/** A verifier that fetched the keys from `by` and does not ask again. */
async function verifier(by: TestWorker) {
  const keys = createLocalJWKSet(await (await by.call('/.well-known/jwks.json')).json<JSONWebKeySet>())
  return async (token: string) =>
    jwtVerify(token, keys, { issuer: ORIGIN, algorithms: ['ES256'] }).then(
      () => true,
      () => false,
    )
}

test('is published before anything is signed with it, so that no verifier meets a key that it has not', async () => {
  for (const [i, current] of steps.entries()) {
    const next = steps[i + 1]
    if (next === undefined) break
    const verifies = await verifier(current)
    expect(await verifies((await open(next)).access_token), `step ${i}`).toBe(true)
  }
  // Signing with a key that was never published is what the order prevents.
  expect(await (await verifier(before))((await open(signing)).access_token)).toBe(false)
})

test.each([
  ['before', before],
  ['published', published],
  ['signing', signing],
])('signs nobody out from one step to the next, even while both are running: from %s', async (_name, current) => {
  const next = current === before ? published : current === published ? signing : after
  const pair = await open(current)
  expect(await refreshed(next, pair)).toBe(200)
  expect(await refreshed(current, await open(next))).toBe(200)
})

test('a secret that leaked is worth nothing once it is out of both keys', async () => {
  const stolen = await open(before)
  const clean = startWorker({ AUTH_SECRET: NEW, AUTH_SECRET_PREVIOUS: '' })

  expect((await clean.call('/refresh', { cookies: stolen })).status).toBe(401)
  expect(
    (await clean.call('/auth/token/verify', { method: 'POST', json: { token: stolen.access_token } })).status,
  ).toBe(401)
  expect(await (await verifier(clean))(stolen.access_token)).toBe(false)
})

test('loses no session under load: every token is good wherever it comes to', async () => {
  const sessions = await Promise.all(Array.from({ length: 12 }, () => openByGuid(undefined, {}, before)))
  let pairs: readonly Tokens[] = sessions
  for (const [step, now] of steps.entries()) {
    const earlier = steps[step - 1] ?? now
    // Verifiers that fetched the keys within the last five minutes, so perhaps before this step.
    const verifiers = await Promise.all([earlier, now].map(verifier))
    // Some locations run the version before, then none does. The last step is for when no token of before is left.
    const isLast = step === steps.length - 1
    for (const running of [isLast ? [now] : [earlier, now], [now]]) {
      pairs = await Promise.all(
        pairs.map(async ({ refresh: token }, i) => {
          const response = await refreshByJson(token, {}, running[i % running.length])
          expect(response.status).toBe(200)
          return response.json<Tokens>()
        }),
      )
      for (const { access } of pairs) {
        for (const by of running) expect((await verify(access, by)).status).toBe(200)
        for (const verifies of verifiers) expect(await verifies(access)).toBe(true)
      }
    }
  }
  expect(pairs.map(({ access }) => claimsOf(access)['sid'])).toEqual(sessions.map(({ sid }) => sid))
})
