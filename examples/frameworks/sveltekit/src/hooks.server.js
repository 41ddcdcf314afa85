/** Renews a pair that is over, before anything is rendered. */

import { env } from '$env/dynamic/private'
import { redirect } from '@sveltejs/kit'
import { tessera } from 'tessera/sveltekit'

export const handle = tessera({ issuer: env.ISSUER, app: env.APP, redirect, open: ['/'] })
