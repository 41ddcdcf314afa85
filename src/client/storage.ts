/** Where a client keeps its pair: one text, which tabs of a browser share. */

/** Keeps one text. What it throws is trouble, never the end of a session. */
export interface Storage {
  /** `null` where nothing is kept. */
  readonly load: () => Promise<string | null>
  readonly save: (text: string | null) => Promise<void>
  /** The browser keeps the tokens in cookies; what is kept here only tells its tabs that they were renewed. */
  readonly inCookies?: true
}

/** What expo-secure-store exports, and whatever else keeps secrets in this way. */
export interface SecureStore {
  readonly getItemAsync: (key: string) => Promise<string | null>
  readonly setItemAsync: (key: string, value: string) => Promise<unknown>
  readonly deleteItemAsync: (key: string) => Promise<unknown>
}

interface WebStorage {
  readonly getItem: (key: string) => string | null
  readonly setItem: (key: string, value: string) => void
  readonly removeItem: (key: string) => void
}

const KEY = 'tessera'

/** As long as the program runs: for Node, Workers and tests. */
export function inMemory(): Storage {
  let kept: string | null = null
  return { load: async () => kept, save: async (text) => void (kept = text) }
}

/** `localStorage` of a browser, which every script of the page can read: [cookies](inCookies) cannot be. */
export function inLocalStorage(key = KEY): Storage {
  return by(
    () => webStorage().getItem(key),
    (text) => webStorage().setItem(key, text),
    () => webStorage().removeItem(key),
  )
}

/** The keychain of a phone, by expo-secure-store or another module of its shape. */
export function inSecureStore(store: SecureStore, key = KEY): Storage {
  return by(
    () => store.getItemAsync(key),
    (text) => store.setItemAsync(key, text),
    () => store.deleteItemAsync(key),
  )
}

/** Cookies that no script can read, on pages of one site with Tessera, or of `CORS_ORIGINS`. */
export function inCookies(key = KEY): Storage {
  const marks = inLocalStorage(key)
  // Without localStorage, tabs do not learn of each other, and the server sorts out what they do.
  return {
    load: () => marks.load().catch(() => null),
    save: (text) => marks.save(text).catch(() => {}),
    inCookies: true,
  }
}

function by(
  get: () => string | null | Promise<string | null>,
  set: (text: string) => unknown,
  remove: () => unknown,
): Storage {
  return {
    load: async () => get(),
    async save(text) {
      await (text === null ? remove() : set(text))
    },
  }
}

/** Looked up when it is used: a page that is rendered on a server has none. */
function webStorage(): WebStorage {
  return Reflect.get(globalThis, 'localStorage')
}
