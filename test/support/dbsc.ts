/** A browser with Device Bound Session Credentials, by jose: what it makes of an offer, and of a challenge. */

import { createProvingClient, type ProvingClient, signChallenge } from './dpop.ts'
import { pairOf, setCookies, type TestWorker } from './worker.ts'

export { signChallenge }

/** The cookies that a browser has. That of the access token may be over. */
export type Jar = Readonly<{ access_token?: string; refresh_token: string }>

/** What an answer offers to register. Empty where it offers nothing. */
export function offerOf(response: Response): { readonly path: string; readonly challenge: string } {
  const [, path = '', challenge = ''] =
    /^\(ES256\);path="([^"]+)";challenge="([^"]+)"$/.exec(response.headers.get('Secure-Session-Registration') ?? '') ??
    []
  return { path, challenge }
}

/** What an answer asks to sign next, and for which session. Empty where it asks for nothing. */
export function challengeOf(response: Response): { readonly challenge: string; readonly id: string } {
  const [, challenge = '', id = ''] =
    /^"([^"]+)";id="([^"]+)"$/.exec(response.headers.get('Secure-Session-Challenge') ?? '') ?? []
  return { challenge, id }
}

/** The jar after an answer. */
export function jarAfter(jar: Jar, response: Response): Jar {
  const values = Object.entries(setCookies(response)).map(([name, { value }]) => [name, value])
  return { ...jar, ...Object.fromEntries(values) }
}

export function register(worker: TestWorker, cookies: Partial<Jar>, proof: string | null): Promise<Response> {
  return worker.call('/auth/device', {
    method: 'POST',
    cookies,
    headers: proof === null ? {} : { 'Secure-Session-Response': proof },
  })
}

/** Takes the offer of a sign-in, as a browser does in the background. */
export async function acceptOffer(
  worker: TestWorker,
  client: ProvingClient,
  signedIn: Response,
  jar: Jar,
): Promise<Response> {
  return register(worker, jar, await signChallenge(client, offerOf(signedIn).challenge, { jwk: client.jwk }))
}

/** A session by guid that a browser has bound. */
export async function openBound(
  worker: TestWorker,
  guid: string,
): Promise<{ readonly client: ProvingClient; readonly jar: ReturnType<typeof pairOf> }> {
  const client = await createProvingClient()
  const opened = await worker.call(`/${guid}`)
  const jar = pairOf(opened)
  const registered = await acceptOffer(worker, client, opened, jar)
  if (registered.status !== 200) throw new Error(`not bound: ${registered.status}`)
  return { client, jar }
}

interface DeviceRefresh {
  readonly proof?: string | null
  /** The session that the browser means. */
  readonly sid?: string
  readonly ip?: string
}

/** The request of a browser whose access cookie is over. */
export function refreshByDevice(
  worker: TestWorker,
  { refresh_token }: Jar,
  { proof = null, sid, ip }: DeviceRefresh = {},
): Promise<Response> {
  return worker.call('/refresh/device', {
    method: 'POST',
    cookies: { refresh_token },
    headers: {
      ...(proof !== null && { 'Secure-Session-Response': proof }),
      ...(sid !== undefined && { 'Sec-Secure-Session-Id': `"${sid}"` }),
    },
    ...(ip !== undefined && { ip }),
  })
}
