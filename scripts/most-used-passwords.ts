/** Makes the list of the most used passwords anew, out of the package of the lock file. `npm run passwords` runs it after an update of that package. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { PACKED_PASSWORDS, packPasswords, readPasswords } from './packed-passwords.ts'
import { root } from './wrangler.ts'

const packed = packPasswords(readPasswords())
writeFileSync(join(root, PACKED_PASSWORDS), packed)
console.log(`${PACKED_PASSWORDS}: ${(packed.length / 1024).toFixed(0)} KiB`)
