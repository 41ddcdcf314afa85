/** Who a mail is from: mail programs show the name before the address, and a mail has to say at once whose it is. */

/**
 * The `From` of all mails: as it is set where it has a name, else the name of the application before it, as a quoted string (RFC 5322 section
 * 3.2.4) where it has other characters than words have.
 */
export function nameSender(from: string, name: string): string {
  const address = from.trim()
  if (/[\s<>"]/.test(address) || name === '') return from
  const isPlain = /^[\p{L}\p{M}\p{N} !#$%&'*+/=?^_`{|}~-]+$/u.test(name)
  return `${isPlain ? name : `"${name.replaceAll(/["\\]/g, '\\$&')}"`} <${address}>`
}
