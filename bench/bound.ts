/** Sessions that a browser has bound to its key (DBSC): opened, registered and refreshed once, by the requests of one. */

import { generateKeyPairSync, type JsonWebKey, sign } from 'node:crypto'

import { CLIENT, createConnection, request } from './connection.ts'
import type { Work } from './operations.ts'

/** Binds a session of each guid at the Tessera of a port. */
export async function bindSessions(
  port: number,
  guids: readonly string[],
  serviceKey: string,
): Promise<Extract<Work, { kind: 'device' }>> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const jwk = publicKey.export({ format: 'jwk' })
  const { ask } = createConnection(port)
  const authorization = `Authorization: Bearer ${serviceKey}\r\nTessera-Client-IP: ${CLIENT}\r\n`
  const chains = []
  for (const guid of guids) {
    const opened = await ask(request('GET', `/${guid}`, authorization))
    const [access, refresh] = [cookieOf(opened.head, 'access_token'), cookieOf(opened.head, 'refresh_token')]
    const proof = prove(key, textBehind(opened.head, /challenge="/), jwk)
    await ask(
      request('POST', '/auth/device', `Cookie: access_token=${access}\r\nSecure-Session-Response: ${proof}\r\n`),
    )
    const asked = await ask(request('POST', '/refresh/device', `Cookie: refresh_token=${refresh}\r\n`))
    chains.push({ access, refresh, challenge: challengeOf(asked.head) })
  }
  return { kind: 'device', key, chains }
}

/** A proof over a challenge, by a private key in PEM. The public one stands in that of a registration alone. */
export function prove(key: string, challenge: string, jwk?: JsonWebKey): string {
  const header = { alg: 'ES256', typ: 'dbsc+jwt', ...(jwk !== undefined && { jwk }) }
  const signed = [header, { jti: challenge }].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
  const signature = sign('sha256', Buffer.from(signed.join('.')), { key, dsaEncoding: 'ieee-p1363' })
  return [...signed, signature.toString('base64url')].join('.')
}

/** The challenge for the next refresh. Throws where an answer has none. */
export function challengeOf(head: string): string {
  return textBehind(head, /\r\nsecure-session-challenge: "/i)
}

function cookieOf(head: string, name: string): string {
  return textBehind(head, new RegExp(`\\r\\nset-cookie: ${name}=`, 'i'))
}

function textBehind(head: string, start: RegExp): string {
  const match = new RegExp(`${start.source}([^";]+)`, start.flags).exec(head)
  if (match?.[1] === undefined) throw new Error(`nothing behind ${start.source} in:\n${head}`)
  return match[1]
}
