/** Everybody may see this page. It is no path of the proxy, so it knows somebody while their token is good. */

import { cookies } from 'next/headers'

import { tessera } from '../tessera.js'

export default async function Home() {
  const user = await tessera.user(await cookies())
  return <p>{user === null ? 'Nobody is signed in' : `Hello ${user.guid}`}</p>
}
