/** Secrets of a deployment, as AUTH_SECRET and SERVICE_KEY take them. */

import { randomBytes } from 'node:crypto'

/** 256 random bits, in base64. */
export function newSecret(): string {
  return randomBytes(32).toString('base64')
}
