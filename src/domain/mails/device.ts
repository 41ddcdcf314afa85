/**
 * A user agent in words that its owner recognizes. A user agent is written by whoever sends the request, so only the words of these
 * tables are shown: a mail must not carry a name, an address or a sentence of a stranger.
 */

/** The first match counts, since most browsers also name those that they descend from. */
const BROWSERS: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/\bEdgA?(?:iOS)?\//, 'Edge'],
  [/\bOPR\//, 'Opera'],
  [/\bSamsungBrowser\//, 'Samsung Internet'],
  [/\b(?:Firefox|FxiOS)\//, 'Firefox'],
  [/\b(?:Chrome|CriOS)\//, 'Chrome'],
  [/\bVersion\/[\d.]+.*\bSafari\//, 'Safari'],
  [/^curl\//, 'curl'],
  [/^Wget\//, 'Wget'],
  [/^okhttp\//, 'Android app'],
  [/\bCFNetwork\//, 'Apple app'],
  [/^Dart\//, 'Flutter app'],
  [/^python-requests\//, 'Python'],
  [/^Go-http-client\//, 'Go'],
  [/^axios\//, 'axios'],
  [/^PostmanRuntime\//, 'Postman'],
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

/** "Firefox on Windows", or `null` for what is not known. */
export function describeDevice(userAgent: string | null): string | null {
  if (userAgent === null) return null
  const [browser, system] = [BROWSERS, SYSTEMS].map((names) => names.find(([pattern]) => pattern.test(userAgent))?.[1])
  if (browser === undefined) return null
  return system === undefined ? browser : `${browser} on ${system}`
}
