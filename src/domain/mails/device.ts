/**
 * A user agent in words that its owner recognizes. Whoever sends a request writes its user agent, so nothing of it is shown
 * but that it has one of these words: a mail of ours must not carry a stranger's name, address or sentence.
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
