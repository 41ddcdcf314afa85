/** The OpenAPI document as its readers and their generators meet it: complete, stable, and to the letter. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { createApp } from '../../src/app.ts'
import { ERRORS } from '../../src/errors.ts'
import { PAGES_OF_PEOPLE, REFERENCE } from '../../src/http/openapi/document.ts'
import { codesOf, described, problemsIn, responseOf, routes } from '../support/openapi.ts'

/** The name of each operation: a generated client has a function of it, so none may change. */
const OPERATION_IDS = {
  'POST /auth/token': 'createTokenPair',
  'POST /auth/token/refresh': 'refreshTokenPair',
  'POST /auth/token/verify': 'verifyToken',
  'POST /auth/token/revoke': 'revokeToken',
  'POST /auth/token/introspect': 'introspectToken',
  'POST /auth/session': 'signInWithCookies',
  'DELETE /auth/session': 'signOut',
  'GET /refresh': 'refreshCookiesByGet',
  'POST /refresh': 'refreshCookies',
  'POST /auth/device': 'registerDevice',
  'POST /refresh/device': 'refreshByDevice',
  'POST /auth/tickets': 'createTicket',
  'GET /{guid}': 'openSession',
  'GET /auth/me': 'getAccount',
  'GET /auth/sessions': 'listSessions',
  'DELETE /auth/sessions': 'endOtherSessions',
  'DELETE /auth/sessions/{sid}': 'endSession',
  'GET /auth/places': 'listAllowedPlaces',
  'DELETE /auth/places/{id}': 'removeAllowedPlace',
  'POST /auth/register': 'register',
  'POST /auth/confirm': 'confirmRegistration',
  'POST /auth/confirm/resend': 'resendConfirmation',
  'POST /auth/password/forgot': 'requestPasswordReset',
  'POST /auth/password/reset': 'resetPassword',
  'POST /auth/password': 'changePassword',
  'POST /auth/email': 'requestEmailChange',
  'DELETE /auth/me': 'deleteAccount',
  'POST /admin/users': 'createUser',
  'GET /admin/users': 'listUsers',
  'POST /admin/users/import': 'importUsers',
  'GET /admin/users/{guid}': 'getUser',
  'PATCH /admin/users/{guid}': 'updateUser',
  'DELETE /admin/users/{guid}': 'deleteUser',
  'GET /admin/users/{guid}/sessions': 'listUserSessions',
  'DELETE /admin/users/{guid}/sessions': 'endUserSessions',
  'DELETE /admin/users/{guid}/sessions/{sid}': 'endUserSession',
  'GET /admin/users/{guid}/history': 'getUserHistory',
  'DELETE /admin/sessions': 'endAllSessions',
  'GET /admin/mails': 'listMails',
  'POST /admin/mails': 'sendMail',
  'POST /admin/mails/requeue': 'requeueParkedMails',
  'POST /admin/mails/{id}/requeue': 'requeueMail',
  'GET /admin/audit': 'listAuditEntries',
  'GET /.well-known/jwks.json': 'getKeys',
  'GET /.well-known/openid-configuration': 'getOpenIdConfiguration',
  'GET /.well-known/oauth-authorization-server': 'getAuthorizationServerMetadata',
  'GET /openapi.json': 'getOpenApiDocument',
  'GET /healthz': 'getHealth',
}

function isOfPeople(route: string): boolean {
  return [...PAGES_OF_PEOPLE, ...REFERENCE].some((path) => route.split(' ')[1]?.startsWith(path))
}

describe('operations', () => {
  test('are the routes, but for the pages of people and what is read about the API', () => {
    const served = createApp()
      .routes.filter(({ method }) => method !== 'ALL')
      .map(
        ({ method, path }) => `${method} ${path.replaceAll(/:(\w+)(\{[^}]*\}\})?/g, '{$1}').replace(/\}\{.*$/, '}')}`,
      )
    const documented = routes.map(({ method, path }) => `${method} ${path}`)

    expect(new Set(documented)).toEqual(new Set(served.filter((route) => !isOfPeople(route))))
    expect(served.filter(isOfPeople).length).toBeGreaterThan(20)
  })

  test('keep their names', () => {
    const names = routes.map(({ method, path, operation }) => [`${method} ${path}`, operation.operationId])
    expect(Object.fromEntries(names)).toEqual(OPERATION_IDS)
  })

  test('are of a group that is described, and say who may call them', () => {
    const groups = new Set(described.tags.map(({ name }) => name))
    const schemes = new Set(Object.keys(described.components.securitySchemes))
    for (const { operation } of routes) {
      expect(groups.union(new Set(operation.tags))).toEqual(groups)
      const used = operation.security.flatMap((requirement) => Object.keys(requirement))
      expect(schemes.union(new Set(used))).toEqual(schemes)
      expect(operation.security.length).toBeGreaterThan(0)
    }
  })
})

test('the version is that of the package', () => {
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as {
    version: string
  }
  expect(described.info.version).toBe(version)
})

describe('errors', () => {
  test('are each answered by an operation, with every detail', () => {
    const named = new Set(routes.flatMap(({ operation }) => [...codesOf(operation)]))
    expect(named).toEqual(new Set(Object.keys(ERRORS)))

    const told = Object.entries(ERRORS).flatMap(([code, { status, details }]) =>
      details.map((detail) => ({ status, detail, code })),
    )
    const examples = Object.values(described.components.examples).map(({ value: { status, detail, code } }) => ({
      status,
      detail,
      code,
    }))
    expect(examples).toEqual(told)
  })

  test.each(routes.map((route) => [`${route.method} ${route.path}`, route] as const))(
    'of %s stand under their status, with the headers that go with it',
    (_name, { operation }) => {
      for (const status of Object.keys(operation.responses)) {
        const response = responseOf(operation, status)
        const codes = new Set(problemsIn(response).map(({ code }) => code))
        expect(
          new Set(problemsIn(response).map((problem) => problem.status)).difference(new Set([Number(status)])),
        ).toEqual(new Set())
        const headers = Object.keys(response?.headers ?? {})
        expect(headers.includes('WWW-Authenticate')).toBe(status === '401')
        expect(headers.includes('Allow')).toBe(status === '405')
        expect(headers.includes('Retry-After')).toBe(codes.has('unavailable') || codes.has('too_many_requests'))
        if (status === '403')
          expect(headers.includes('Secure-Session-Challenge')).toBe(codes.has('device_proof_required'))
      }
      expect([...codesOf(operation)]).toEqual(expect.arrayContaining(['misdirected', 'internal']))
    },
  )

  test('are bare text as well on the two routes that were specified with it, and there alone', () => {
    const textual = routes.filter(({ operation }) => responseOf(operation, 500)?.content?.['text/plain'] !== undefined)
    expect(textual.map(({ method, path }) => `${method} ${path}`)).toEqual(['GET /refresh', 'GET /{guid}'])
    for (const { operation } of textual) {
      for (const status of Object.keys(operation.responses)) {
        const response = responseOf(operation, status)
        const details = new Set(problemsIn(response).map(({ detail }) => detail))
        if (status === '421' || details.size === 0) continue
        expect(new Set(response?.content?.['text/plain']?.schema.enum)).toEqual(details)
      }
    }
  })
})

test('nothing that is public asks for a credential, and nothing of operators does without the key', () => {
  for (const { path, operation } of routes) {
    const [first = {}] = operation.security
    if (operation.tags.includes('deployment')) expect(operation.security).toEqual([{}])
    if (path.startsWith('/admin/')) expect([first, operation.security.length]).toEqual([{ serviceKey: [] }, 1])
  }
})
