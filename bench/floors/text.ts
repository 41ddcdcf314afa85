/** F1: a bare Hono route that answers with text. */

import { Hono } from 'hono'

export default new Hono().get('/', (c) => c.text('ok'))
