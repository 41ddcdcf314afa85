/**
 * `tessera/testing`: a real Tessera for the tests of an application, with accounts, sessions and mails at hand, and a clock that can be moved. It runs
 * the Worker that is deployed, in workerd, with a database and queues in memory, and never asks anything of the Internet.
 */

import { createUser, type NewUser, type User } from './accounts.ts'
import { lastMail, type Mail, type MailPatience } from './mails.ts'
import { realSecrets } from './secrets.ts'
import { serve } from './serve.ts'
import { createSession, type NewSession, type Session, steal, type Theft } from './sessions.ts'
import { type Settings, toBindings } from './settings.ts'

export type { Mail, MailPatience, NewSession, NewUser, Session, Settings, Theft, User }
export type { SessionCookie } from './sessions.ts'
export type { SettingName } from './settings.ts'

export interface StartOptions {
  /** A free one, where it is left out: several run beside each other. */
  readonly port?: number
  /** By the names of docs/configuration.md; the defaults are those of a deployment. */
  readonly settings?: Settings
}

/** How far the clock goes on: in days, or in seconds. */
export type Distance = number | { readonly seconds: number }

export interface Tessera {
  /** Where it answers, and the issuer of its tokens: `http://localhost:…`, with `BASE_PATH` where that is set. */
  readonly url: string
  /** For back ends: `Authorization: Bearer …`. It is good for this start alone. */
  readonly serviceKey: string
  /** Makes an account that can sign in, by its password as well. Throws what Tessera answered where it makes none. */
  readonly createUser: (user?: NewUser) => Promise<User>
  /**
   * Opens a session, of a new user where none is given. Its pair comes in two forms, `cookies` for a browser and `access` and `refresh` for
   * everybody else; take one of them.
   */
  readonly createSession: (user?: Pick<User, 'guid'> | null, client?: NewSession) => Promise<Session>
  /** The newest mail to an address, waited for until it was handed over. Throws where there is none in time. */
  readonly lastMail: (email: string, patience?: MailPatience) => Promise<Mail>
  /**
   * Tessera's clock goes on by so many days or seconds, and its cron trigger runs. Whatever has a clock of its own, such as a browser or a verifier in
   * your application, keeps that.
   */
  readonly travel: (distance: Distance) => Promise<void>
  /**
   * Presents the pair of a session from another network and country, as a thief would, and resolves to Tessera's answer: 401 `location_blocked`,
   * unless the pair was used before, or the policy is `off`.
   */
  readonly steal: (session: Pick<Session, 'access' | 'refresh'>) => Promise<Theft>
  /** Tessera's clock, in seconds since 1970: `createVerifier({ issuer: tessera.url, now: tessera.now })` travels along. */
  readonly now: () => number
  /** Ends it. No process is left, and nothing is kept. */
  readonly stop: () => Promise<void>
  /** The same, for `await using`. */
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/**
 * Starts a Tessera. Throws where the environment of this process has a secret of a deployment, and for settings that it does not take, each by
 * its name.
 */
export async function startTessera({ port = 0, settings = {} }: StartOptions = {}): Promise<Tessera> {
  requireNoRealSecret()
  const bindings = toBindings(settings)
  const { SERVICE_KEY: serviceKey = '', BASE_PATH: base = '' } = bindings
  const served = await serve(bindings, port)
  let aheadSeconds = 0
  const newUser = (user: NewUser = {}) => createUser(served, base, serviceKey, user)
  return {
    url: `${served.origin}${base}`,
    serviceKey,
    createUser: newUser,
    createSession: async (user, client = {}) =>
      createSession(served, base, serviceKey, user ?? (await newUser()), client),
    lastMail: (email, patience) => lastMail(served, email, patience),
    travel: async (distance) => {
      const seconds = typeof distance === 'number' ? distance * 86_400 : distance.seconds
      if (!(seconds >= 0)) throw new Error('a clock goes on, and never back: travel takes days, or { seconds }')
      await served.control({ travelSeconds: Math.round(seconds) })
      aheadSeconds += Math.round(seconds)
    },
    now: () => Math.floor(Date.now() / 1000) + aheadSeconds,
    steal: (session) => steal(served, base, session),
    stop: served.stop,
    [Symbol.asyncDispose]: served.stop,
  }
}

/** A process that has the secrets of a deployment is no place for tests: they would reach whatever runs in it. */
function requireNoRealSecret(): void {
  const [real] = realSecrets(process.env)
  if (real === undefined) return
  throw new Error(
    `tessera/testing does not start beside a real secret. In the environment of this process ${real}. Run tests without it.`,
  )
}
