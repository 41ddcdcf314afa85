/** One Tessera for the whole application: it keeps the keys. */

import { createTessera } from 'tessera/next'

export const tessera = createTessera({ issuer: process.env.ISSUER, app: process.env.APP })
