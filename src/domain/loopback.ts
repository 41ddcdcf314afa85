/** The names of this machine, under which only local development is reached. */

/** Whether a URL's `hostname` is this machine (RFC 6761 section 6.3 for names, RFC 1122 and RFC 4291 for addresses). */
export function isLoopback(hostname: string): boolean {
  return /^(localhost|.+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)
}
