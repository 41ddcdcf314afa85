/** An API in Express. */

import express from 'express'
import { tessera } from 'tessera/express'

const { ISSUER, AUDIENCE, PORT } = process.env

const app = express()
app.use('/orders', tessera({ issuer: ISSUER, audience: AUDIENCE, cookies: true }))
app.all('/orders', (request, response) => response.send(`Orders of ${request.user.guid}`))

const server = app.listen(Number(PORT), () => console.log(`listens on port ${server.address().port}`))
