/** A key pair in IndexedDB, which keeps keys that no script can read. */

/** A pair of keys for WebCrypto. Its type has other names where no DOM is. */
export interface KeyPair {
  readonly privateKey: Parameters<typeof crypto.subtle.sign>[1]
  readonly publicKey: Parameters<typeof crypto.subtle.exportKey>[1]
}

interface Asked<Result> {
  readonly result: Result
  readonly error: Error | null
  readonly addEventListener: (event: 'success' | 'error' | 'upgradeneeded', listener: () => void) => void
}
interface Store {
  readonly get: (key: string) => Asked<KeyPair | undefined>
  readonly add: (value: KeyPair, key: string) => Asked<unknown>
}
interface Database {
  readonly createObjectStore: (name: string) => unknown
  readonly transaction: (store: string, mode: string) => { readonly objectStore: (name: string) => Store }
  readonly close: () => void
}

const STORE = 'keys'

/** The keys that are kept under this name, or new ones, which are kept from now on. */
export async function keepInBrowser(name: string, make: () => Promise<KeyPair>): Promise<KeyPair> {
  const databases: { open: (name: string) => Asked<Database> } = Reflect.get(globalThis, 'indexedDB')
  const opening = databases.open(name)
  opening.addEventListener('upgradeneeded', () => opening.result.createObjectStore(STORE))
  const database = await done(opening)
  const store = () => database.transaction(STORE, 'readwrite').objectStore(STORE)
  try {
    const kept = await done(store().get(name))
    if (kept !== undefined) return kept
    const made = await make()
    // Another tab may have been first, and its keys are those of all: then this one's are refused.
    await done(store().add(made, name)).catch(() => {})
    return (await done(store().get(name))) ?? made
  } finally {
    database.close()
  }
}

function done<Result>(asked: Asked<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    asked.addEventListener('success', () => resolve(asked.result))
    asked.addEventListener('error', () => reject(asked.error ?? new Error('IndexedDB failed')))
  })
}
