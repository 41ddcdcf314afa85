/** Renews a pair that is over, before anything is rendered. */

import { redirect } from '@sveltejs/kit'
import { tessera } from 'tessera/sveltekit'

const { ISSUER, AUDIENCE, APP } = process.env

export const handle = tessera({ issuer: ISSUER, audience: AUDIENCE, app: APP, redirect, open: ['/'] })
