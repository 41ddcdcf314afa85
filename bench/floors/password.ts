/** F5: F1, and one Argon2id hash. */

import { Hono } from 'hono'

import { hash } from './hash.ts'

export default new Hono().get('/', async (c) => c.text((await hash('correct horse battery staple')).toHex()))
