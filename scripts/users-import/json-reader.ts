/** Finds where a JSON value ends, in bytes that come part by part. What stands between its brackets and quotes is not judged. */

const LF = 0x0a
const [QUOTE, BACKSLASH, OPEN, CLOSE, OPEN_LIST, CLOSE_LIST, COMMA] = Buffer.from('"\\{}[],')

/** The index behind the value; `more` where its end is not among these bytes; `broken` where it can have none. */
export type Read = number | 'more' | 'broken'

/** Reads one value, from its first byte on. */
export function createReader(): (bytes: Buffer, start: number) => Read {
  /** The brackets that have to be closed, the last one first. */
  const closing: (number | undefined)[] = []
  let isText = false
  let isEscaped = false
  /** Whether it is a number, a word, or what is no JSON at all: what follows it is its end. */
  let isScalar = false
  let isBroken = false

  function read(bytes: Buffer, start: number): Read {
    if (isBroken) return 'broken'
    for (let i = start; i < bytes.length; i++) {
      const byte = bytes[i]
      if (isText) {
        // JSON has no line break in a text: a quote that nobody closed is found here, and costs no other line.
        if (byte === LF) return fail()
        if (isEscaped) isEscaped = false
        else if (byte === BACKSLASH) isEscaped = true
        else if (byte === QUOTE) {
          isText = false
          if (closing.length === 0) return i + 1
        }
      } else if (isScalar) {
        if (isEndOfScalar(byte)) return i
      } else if (byte === QUOTE) {
        isText = true
      } else if (byte === OPEN || byte === OPEN_LIST) {
        closing.push(byte === OPEN ? CLOSE : CLOSE_LIST)
      } else if (closing.length === 0) {
        isScalar = true
      } else if (byte === CLOSE || byte === CLOSE_LIST) {
        if (closing.pop() !== byte) return fail()
        if (closing.length === 0) return i + 1
      }
    }
    return 'more'
  }

  function fail(): Read {
    isBroken = true
    return 'broken'
  }

  return read
}

function isEndOfScalar(byte: number | undefined): boolean {
  return (
    byte === COMMA ||
    byte === QUOTE ||
    byte === OPEN ||
    byte === CLOSE ||
    byte === OPEN_LIST ||
    byte === CLOSE_LIST ||
    (byte !== undefined && byte <= 0x20)
  )
}
