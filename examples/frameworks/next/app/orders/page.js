/** Whoever comes here is signed in: the proxy has seen to it. */

import { cookies } from 'next/headers'

import { tessera } from '../../tessera.js'

export default async function Orders() {
  const user = await tessera.user(await cookies())
  return <p>{`Orders of ${user.guid}`}</p>
}
