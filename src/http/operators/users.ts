/** Users, as operators make, find, change and delete them. */

import type { Context } from 'hono'

import { normalizeEmail } from '../../domain/accounts/account.ts'
import { changeUser } from '../../domain/operators/change-user.ts'
import { createUser } from '../../domain/operators/create-user.ts'
import { deleteUser } from '../../domain/operators/end-user.ts'
import { TesseraError } from '../../errors.ts'
import { describeUser } from '../answer/describe-user.ts'
import type { AppEnv } from '../factory.ts'
import { readJson } from '../request/body.ts'
import { parseBody } from '../../shape.ts'
import { readOperator } from './acting.ts'
import { readQuery } from './query.ts'
import { ChangeUserRequest, CreateUserRequest, orderOf, UserListRequest, UserPath } from './user-contract.ts'

/** `POST /admin/users` */
export async function addUser(c: Context<AppEnv>): Promise<Response> {
  const asked = await readJson(c, CreateUserRequest)
  const order = { ...orderOf(asked), password: asked.password ?? null }
  return c.json({ user: describeUser(await createUser(c.env, order, readOperator(c))) }, 201)
}

/** `GET /admin/users` */
export async function listUsers(c: Context<AppEnv>): Promise<Response> {
  const { email, external_id, search, group, active, confirmed, left, cursor, limit } = readQuery(c, UserListRequest)
  const { users } = await c.env.operators()
  const page = await users.list({
    email: email === null ? null : normalizeEmail(email),
    externalId: external_id === null ? null : external_id.normalize('NFC'),
    search: search === null ? null : search.trim().normalize('NFC'),
    group,
    isActive: active,
    isConfirmed: confirmed,
    hasLeft: left ?? false,
    after: cursor ?? 0,
    limit,
  })
  return c.json({ users: page.users.map(describeUser), next: page.next === null ? null : String(page.next) })
}

/** `GET /admin/users/{guid}` */
export async function showUser(c: Context<AppEnv>): Promise<Response> {
  const { guid } = parseBody(UserPath, c.req.param())
  const { users } = await c.env.operators()
  const user = await users.find(guid)
  if (user === null) throw new TesseraError('not_found')
  return c.json({ user: describeUser(user) })
}

/** `PATCH /admin/users/{guid}` */
export async function patchUser(c: Context<AppEnv>): Promise<Response> {
  const { guid } = parseBody(UserPath, c.req.param())
  const asked = await readJson(c, ChangeUserRequest)
  // What is not there stays as it is, and null takes it away.
  const patch = {
    ...(asked.primary_email !== undefined && { email: asked.primary_email }),
    ...(asked.password !== undefined && { password: asked.password }),
    ...(asked.password_hash !== undefined && { passwordHash: asked.password_hash }),
    ...(asked.external_id !== undefined && { externalId: asked.external_id }),
    ...(asked.claims !== undefined && { ownClaims: asked.claims }),
    ...(asked.group !== undefined && { group: asked.group }),
    ...(asked.active !== undefined && { isActive: asked.active }),
    ...(asked.confirmed !== undefined && { isConfirmed: asked.confirmed }),
    ...(asked.language !== undefined && { language: asked.language }),
    ...(asked.time_zone !== undefined && { timeZone: asked.time_zone }),
  }
  return c.json({ user: describeUser(await changeUser(c.env, guid, patch, readOperator(c))) })
}

/** `DELETE /admin/users/{guid}` */
export async function removeUser(c: Context<AppEnv>): Promise<Response> {
  const { guid } = parseBody(UserPath, c.req.param())
  await deleteUser(c.env, guid, readOperator(c))
  return c.body(null, 204)
}
