/** The PHC string format of password hashes: https://github.com/P-H-C/phc-string-format. */

/** A stored hash: which function made it, under which parameters. */
export interface Phc {
  readonly id: string
  readonly version: string | undefined
  readonly params: Readonly<Record<string, number>>
  readonly salt: Uint8Array
  readonly hash: Uint8Array
}

/** Reads a PHC string. `null` for anything else. */
export function parsePhc(text: string): Phc | null {
  const match =
    /^\$([a-z0-9-]{1,32})(?:\$v=(\d+))?\$([a-z]{1,8}=\d{1,9}(?:,[a-z]{1,8}=\d{1,9})*)\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/.exec(
      text,
    )
  const [, id, version, params, salt, hash] = match ?? []
  if (id === undefined || params === undefined || salt === undefined || hash === undefined) return null
  try {
    return {
      id,
      version,
      params: Object.fromEntries(params.split(',').map((pair) => [pair.split('=')[0], Number(pair.split('=')[1])])),
      salt: fromBase64(salt),
      hash: fromBase64(hash),
    }
  } catch {
    return null // a length that base64 does not have
  }
}

/** Writes a PHC string. */
export function formatPhc({ id, version, params, salt, hash }: Phc): string {
  const costs = Object.entries(params).map(([name, value]) => `${name}=${value}`)
  const start = version === undefined ? `$${id}` : `$${id}$v=${version}`
  return `${start}$${costs.join(',')}$${toBase64(salt)}$${toBase64(hash)}`
}

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll('=', '')
}

/** The bytes of base64, with its padding or without. Throws where it is none. */
export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0))
}
