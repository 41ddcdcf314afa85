/**
 * IP addresses in one spelling. The same client may be written in many ways (upper case, zero runs, IPv4 inside
 * IPv6), so that comparing spellings would block a client in its own place.
 */

/** Groups of an address: 4 of 8 bits (IPv4) or 8 of 16 bits (IPv6). */
type Groups = readonly number[]

/**
 * The canonical text of an address: dotted decimal for IPv4 and for IPv4-mapped IPv6, RFC 5952 for IPv6.
 * `null` for anything else, zone identifiers included: they name an interface of one machine, not a client.
 */
export function canonicalAddress(text: string): string | null {
  const groups = parseAddress(text)
  return groups === null ? null : formatAddress(groups)
}

/**
 * The network that a canonical address belongs to, in CIDR notation, with the prefix length (bits) of its family.
 * Throws `RangeError` for text that `canonicalAddress` did not make.
 */
export function networkOf(address: string, bits: { readonly v4: number; readonly v6: number }): string {
  const groups = parseAddress(address)
  if (groups === null) throw new RangeError('not a canonical address')
  const [size, length] = groups.length === 4 ? [8, bits.v4] : [16, bits.v6]
  const masked = groups.map((group, i) => {
    const kept = Math.min(size, Math.max(0, length - i * size))
    return group & ~((1 << (size - kept)) - 1)
  })
  return `${formatAddress(masked)}/${length}`
}

/** The groups that all addresses of that network begin with, not shortened: `203.0.113`, `2001:db8:0:1`. Throws as `networkOf`. */
export function leadingGroups(address: string, bits: { readonly v4: number; readonly v6: number }): string {
  const groups = parseAddress(address)
  if (groups === null) throw new RangeError('not a canonical address')
  if (groups.length === 4) return groups.slice(0, bits.v4 / 8).join('.')
  return groups
    .slice(0, bits.v6 / 16)
    .map((group) => group.toString(16))
    .join(':')
}

function parseAddress(text: string): Groups | null {
  if (!text.includes(':')) return parseIPv4(text)
  const groups = parseIPv6(text)
  if (groups === null) return null
  // ::ffff:a.b.c.d is the same client as a.b.c.d (RFC 4291 section 2.5.5.2).
  const [a = 0, b = 0] = groups.slice(6)
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff
  return isMapped ? [a >> 8, a & 0xff, b >> 8, b & 0xff] : groups
}

function parseIPv4(text: string): Groups | null {
  const parts = text.split('.')
  // No leading zeros: some readers take them for octal.
  const valid = parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)
  return valid ? parts.map(Number) : null
}

function parseIPv6(text: string): Groups | null {
  const halves = text.split('::')
  if (halves.length > 2) return null
  const parsed = halves.map((half, i) => parseGroups(half, i === halves.length - 1))
  const [head, tail] = parsed
  if (!head || tail === null) return null
  if (tail === undefined) return head.length === 8 ? head : null
  const gap = 8 - head.length - tail.length
  return gap >= 1 ? [...head, ...Array<number>(gap).fill(0), ...tail] : null
}

/** One side of `::`; only the last one may end in dotted decimal. */
function parseGroups(text: string, isLast: boolean): Groups | null {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [i, part] of parts.entries()) {
    if (isLast && i === parts.length - 1 && part.includes('.')) {
      const v4 = parseIPv4(part)
      if (v4 === null) return null
      const [a = 0, b = 0, c = 0, d = 0] = v4
      groups.push((a << 8) | b, (c << 8) | d)
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) {
      groups.push(Number.parseInt(part, 16))
    } else {
      return null
    }
  }
  return groups
}

function formatAddress(groups: Groups): string {
  if (groups.length === 4) return groups.join('.')
  const { start, length } = longestZeroRun(groups)
  const hex = groups.map((group) => group.toString(16))
  // RFC 5952 section 4.2.2: a single group of zeros is not shortened.
  if (length < 2) return hex.join(':')
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`
}

function longestZeroRun(groups: Groups): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  let start = 0
  for (const [i, group] of groups.entries()) {
    if (group !== 0) start = i + 1
    else if (i + 1 - start > best.length) best = { start, length: i + 1 - start }
  }
  return best
}
