/**
 * A user agent in words that its owner recognizes. Whoever sends a request writes its user agent, so little of an unknown
 * one is shown: a mail of ours must not carry a stranger's address or sentence.
 */

/** First match wins: most browsers also name those they descend from. */
const BROWSERS: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/\bEdgA?(?:iOS)?\//, 'Edge'],
  [/\bOPR\//, 'Opera'],
  [/\bSamsungBrowser\//, 'Samsung Internet'],
  [/\b(?:Firefox|FxiOS)\//, 'Firefox'],
  [/\b(?:Chrome|CriOS)\//, 'Chrome'],
  [/\bVersion\/[\d.]+.*\bSafari\//, 'Safari'],
  [/^curl\//, 'curl'],
]

const SYSTEMS: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/\biPhone\b/, 'iPhone'],
  [/\biPad\b/, 'iPad'],
  [/\bAndroid\b/, 'Android'],
  [/\bWindows\b/, 'Windows'],
  [/\bMac OS X\b/, 'macOS'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bLinux\b/, 'Linux'],
]

/** "Firefox on Windows" for the usual browsers, else the name of the first product (RFC 9110 section 10.1.5), or `null`. */
export function describeDevice(userAgent: string | null): string | null {
  if (userAgent === null) return null
  const [browser, system] = [BROWSERS, SYSTEMS].map((names) => names.find(([pattern]) => pattern.test(userAgent))?.[1])
  if (browser === undefined) return /^[A-Za-z][\w-]{0,30}(?=\/|$)/.exec(userAgent)?.[0] ?? null
  return system === undefined ? browser : `${browser} on ${system}`
}
