/** Groups: free text that travels in the access token, and is read anew at each refresh. */

import { env } from 'cloudflare:workers'
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { describe, expect, test } from 'vitest'

import { isGroup } from '../../../src/domain/accounts/account.ts'
import { createAccount } from '../../support/accounts.ts'
import { keepLog } from '../../support/log.ts'
import { EXCHANGES, introspect, me, signInByJson } from '../../support/requests.ts'
import { openByGuid, type Tokens } from '../../support/sessions.ts'
import { ORIGIN, worker } from '../../support/worker.ts'

keepLog('warn')

const GROUPS = [
  ['Cyrillic', '\u0411\u0443\u0445\u0433\u0430\u043b\u0442\u0435\u0440\u0438\u044f'],
  ['emoji, joined', '\u{1f468}\u200d\u{1f469}\u200d\u{1f467} \u{1f510}'],
  ['quotes and markup', `"it's" <b>&amp;</b> \\ {}`],
  ['32 characters beyond the first plane', '\u{1f510}'.repeat(32)],
  ['letters that are not composed', 'e\u0301quipe'],
] as const

/** The group of an access token, as another service reads it. */
async function groupOf(access: string): Promise<unknown> {
  const jwks = await (await worker.call('/.well-known/jwks.json')).json<JSONWebKeySet>()
  const { payload } = await jwtVerify(access, createLocalJWKSet(jwks), { algorithms: ['ES256'], issuer: ORIGIN })
  return payload['group']
}

async function setGroup(id: number, group: string): Promise<void> {
  await env.DB.prepare('UPDATE users SET "group" = ? WHERE id = ?').bind(group, id).run()
}

describe.each(GROUPS)('a group of %s', (_name, group) => {
  test('is read by jose, and is in every answer', async () => {
    expect(isGroup(group)).toBe(true)
    const account = await createAccount(env.DB, { group })
    const response = await signInByJson(account.email)
    const tokens = await response.json<Tokens & { group: string }>()

    expect(tokens.group).toBe(group)
    expect(await groupOf(tokens.access)).toBe(group)
    expect(JSON.parse((await me(tokens.access)).body)).toMatchObject({ group })
    expect(JSON.parse((await introspect(tokens.access)).body)).toMatchObject({ active: true, group })
    expect(await groupOf((await openByGuid(account.guid)).access)).toBe(group)
  })

  test.each(['json', 'cookies'] as const)(
    'is in the next pair of a refresh by %s, once it was set by SQL',
    async (by) => {
      const account = await createAccount(env.DB)
      const session = await openByGuid(account.guid)
      expect(await groupOf(session.access)).toBe('user')
      await setGroup(account.id, group)

      const { tokens } = await EXCHANGES[by](worker, session)
      expect(await groupOf(tokens?.access ?? '')).toBe(group)
      expect(JSON.parse((await introspect(session.access)).body)).toMatchObject({ group })
      await setGroup(account.id, 'user')
      const after = await EXCHANGES[by](worker, tokens ?? session)
      expect(await groupOf(after.tokens?.access ?? '')).toBe('user')
    },
  )
})
