/** Of a page that keeps its own tokens: each refresh proves a key that no script can read, and a copy of the tokens is of no use. */

import { createClient, inLocalStorage } from 'tessera/client'
import { dpopInBrowser } from 'tessera/dpop'

export const client = createClient({
  url: 'https://auth.example.com',
  storage: inLocalStorage(),
  apis: ['https://api.example.com'],
  dpop: dpopInBrowser(),
})
