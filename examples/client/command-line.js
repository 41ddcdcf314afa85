/** Signs in, says who that is, and signs out: TESSERA=http://localhost:8787 node command-line.js EMAIL PASSWORD */

import { createClient, inMemory } from 'tessera/client'

const [email = '', password = ''] = process.argv.slice(2)
const client = createClient({ url: process.env.TESSERA, storage: inMemory() })

const answer = await client.signIn(email, password)
if (answer.ok) {
  console.log(await client.user())
  await client.signOut()
} else {
  console.error(answer.detail)
  process.exitCode = 1
}
