/** One Tessera for the whole application: it keeps the keys. */

import { createTessera } from 'tessera/next'

const { ISSUER, AUDIENCE, APP } = process.env

export const tessera = createTessera({ issuer: ISSUER, audience: AUDIENCE, app: APP })
