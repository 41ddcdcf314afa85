/** Of a page whose pair is in cookies: no script ever sees a token. */

import { createClient, inCookies } from 'tessera/client'

export const client = createClient({
  url: 'https://auth.example.com',
  storage: inCookies(),
  onSignedOut: () => location.assign('/sign-in'),
})

/** Renews the pair where it is over, once for all requests and tabs. */
export async function listOrders() {
  const answer = await client.fetch('https://app.example.com/orders')
  return answer.json()
}
