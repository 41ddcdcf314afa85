/** What operators do in a history of accounts, by HTTP: each command asks the Worker, and tells the model what came of it. */

import { env } from 'cloudflare:workers'
import * as fc from 'fast-check'
import { expect } from 'vitest'

import { at, command, ADDRESSES, type Command, newest, PASSWORDS, reached, type World } from './account-commands.ts'
import type { AccountModel, Person } from './account-model.ts'
import { SERVICE } from './requests.ts'

export function operatorCommands(): fc.Arbitrary<Command>[] {
  const index = fc.nat({ max: 7 })
  const email = fc.nat({ max: ADDRESSES.length - 1 })
  const password = fc.nat({ max: PASSWORDS.length - 1 })
  return [
    fc.tuple(email, password).map((args) => createByOperator(...args)),
    fc.tuple(index, fc.boolean()).map((args) => closeOrOpen(...args)),
    fc.tuple(index, password).map((args) => givePassword(...args)),
    fc.tuple(index, email).map((args) => giveAddress(...args)),
    index.map(endSessions),
    index.map(deleteByOperator),
  ]
}

export function createByOperator(email: number, password: number): Command {
  return command(`createByOperator(${email}, ${password})`, async (model, world) => {
    const user = { primary_email: at(ADDRESSES, email), password: at(PASSWORDS, password) }
    const response = await ask(world, 'POST', '/users', user)
    const isFree = model.ownerOf(user.primary_email) === null
    tell('create', response.status, isFree ? 201 : 409)
    if (!isFree) return
    const { user: made } = await response.json<{ user: { user_id: number } }>()
    model.create(user.primary_email, user.password, made.user_id)
  })
}

export function closeOrOpen(which: number, isActive: boolean): Command {
  return about(`closeOrOpen(${which}, ${isActive})`, which, 'PATCH', { active: isActive }, (model, person) => {
    model.setActiveByOperator(person, isActive)
  })
}

export function givePassword(which: number, password: number): Command {
  const given = { password: at(PASSWORDS, password) }
  return about(`givePassword(${which}, ${password})`, which, 'PATCH', given, (model, person) => {
    model.setPasswordByOperator(person, given.password)
  })
}

export function giveAddress(which: number, email: number): Command {
  const given = { primary_email: at(ADDRESSES, email) }
  const isTaken = (model: AccountModel, person: Person) => {
    const owner = model.ownerOf(given.primary_email)
    return owner !== null && owner !== person
  }
  const tellModel = (model: AccountModel, person: Person) => model.setAddressByOperator(person, given.primary_email)
  return about(`giveAddress(${which}, ${email})`, which, 'PATCH', given, tellModel, isTaken)
}

export function endSessions(which: number): Command {
  return about(`endSessions(${which})`, which, 'DELETE', '/sessions', (model, person) => {
    model.endSessionsByOperator(person)
  })
}

export function deleteByOperator(which: number): Command {
  return about(`deleteByOperator(${which})`, which, 'DELETE', '', (model, person) => {
    model.leave({ person })
  })
}

/** A request about an account, 0 being the newest. Of one that was left there is nothing to change. */
function about(
  name: string,
  which: number,
  method: 'PATCH' | 'DELETE',
  what: object | string,
  tellModel: (model: AccountModel, person: Person) => void,
  isTaken: (model: AccountModel, person: Person) => boolean = () => false,
): Command {
  return command(name, async (model, world) => {
    const person = newest(model.people, which)
    const guid = await env.DB.prepare('SELECT guid FROM users WHERE id = ?').bind(person.id).first<string>('guid')
    const path = `/users/${guid}${typeof what === 'string' ? what : ''}`
    const { status } = await ask(world, method, path, typeof what === 'string' ? undefined : what)
    const done = method === 'PATCH' ? 200 : 204
    tell(name.replace(/\(.*/, ''), status, person.hasLeft ? 404 : isTaken(model, person) ? 409 : done)
    if (status === done) tellModel(model, person)
  })
}

function tell(name: string, status: number, expected: number): void {
  reached.outcomes.add(`${name} ${status}`)
  expect(status).toBe(expected)
}

function ask({ worker }: World, method: string, path: string, json?: unknown): Promise<Response> {
  return worker.call(`/admin${path}`, { method, headers: SERVICE, ...(json !== undefined && { json }) })
}
