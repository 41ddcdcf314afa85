/** Accounts as an operator or an import would have left them, and everything that the database holds. */

/** A guid of nobody in particular, which RFC 9562 would not have: any 8-4-4-4-12 hex is one. */
export const GUID = '6f9619ff-8b86-d011-b42d-00c04fc964ff'

/** Its last character has two spellings, composed and decomposed: NFC makes them one. */
export const PASSWORD = 'correct horse battery stapl\u00e9'

/**
 * Hashes of `PASSWORD`, made once, by Node's own argon2, scrypt and PBKDF2: hashing costs 67 ms, and a hash that Tessera
 * had made itself would prove less.
 */
export const HASHES = {
  current: '$argon2id$v=19$m=19456,t=2,p=1$K8mQBZRzRI5uvUQqoWv6oA$dXOB1M0Jgk5uTj/uTiL81g6JgYcfndwiR8WIbqmk3m0',
  weakArgon2id: '$argon2id$v=19$m=8192,t=1,p=1$3JDPB96QfMxkY2zt2zjlUg$n4i/ceWJsI/QNGpxMzkMWc2T2ae2CRQcUrDdECNaRBQ',
  strongArgon2id: '$argon2id$v=19$m=9216,t=4,p=2$28RXmuKzqykyE/QruFJwbg$6Egg5i72n9RpWeqyBxDnO6inop0nms7b',
  scrypt: '$scrypt$ln=10,r=8,p=1$unaZKmB5B0MRKFM0F33dpQ$QVRR3ihHd7CQuZPNmS4DCBPWuNJK7w99fr23Lz+pktY',
  pbkdf2Sha256: '$pbkdf2-sha256$i=1000$UeDtXAAPMgWoi8qUmLOZIg$dZrhg3kNpqk5CFMtPu/EFs2+85B0yAV1pw/vIZWEZxM',
  pbkdf2Sha512:
    '$pbkdf2-sha512$i=1000$zE78auDScP1IFszuolXpWQ$nLzKy/7qf15V8ikgmtZmoH4RwhU1RP5qiGaUqc729yxlz6jRekA4YdG6fZAW1ppdaQz4ADwnDlpRCC98jO4pVw',
} as const

interface AccountOptions {
  readonly guid?: string
  /** As stored. */
  readonly email?: string | null
  readonly passwordHash?: string | null
  readonly group?: string
  readonly isActive?: boolean
  /** Seconds since 1970; `null` for an address that nobody confirmed. */
  readonly confirmedAt?: number | null
}

export interface TestAccount {
  readonly id: number
  readonly guid: string
  readonly email: string | null
  readonly group: string
}

/** Inserts an account: active, confirmed, with an address of its own and `PASSWORD`, unless the test says otherwise. */
export async function createAccount(database: D1Database, options: AccountOptions = {}): Promise<TestAccount> {
  const guid = options.guid ?? crypto.randomUUID()
  const { email = `${guid}@example.com`, passwordHash = HASHES.current, group = 'user' } = options
  const { isActive = true, confirmedAt = 1_700_000_000 } = options
  const row = await database
    .prepare(
      'INSERT INTO users (guid, primary_email, password_hash, "group", is_active, confirmed_at, created_at, updated_at) ' +
        'VALUES (?, ?, ?, ?, ?, ?, 1700000000, 1700000000) RETURNING id',
    )
    .bind(guid, email, passwordHash, group, isActive ? 1 : 0, confirmedAt)
    .first<{ id: number }>()
  if (row === null) throw new Error('the account was not inserted')
  return { id: row.id, guid, email, group }
}

/** A place that the owner allowed; what comes back is its id. */
export async function insertPlace(
  database: D1Database,
  account: TestAccount,
  place: string,
  { createdAt, expiresAt }: { readonly createdAt: number; readonly expiresAt: number },
): Promise<number> {
  const row = await database
    .prepare(
      `INSERT INTO allowed_places (user_id, place, country, city, network, created_at, expires_at)
       VALUES (?, ?, 'NZ', 'Nelson', 'Far Net', ?, ?) RETURNING id`,
    )
    .bind(account.id, place, createdAt, expiresAt)
    .first<{ id: number }>()
  return row?.id ?? 0
}

/** A place that an account was signed in from, by its name as `seenPlaceKey` makes it. */
export async function insertSeenPlace(
  database: D1Database,
  account: TestAccount,
  place: string,
  seenAt: number,
): Promise<void> {
  await database.prepare('INSERT INTO seen_places VALUES (?, ?, ?)').bind(account.id, place, seenAt).run()
}

type TableDump = Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>

/**
 * All rows of all tables: two equal dumps mean that nothing was written in between. Of a mail only what its request
 * wrote, since the queue's consumer updates the rest whenever it comes round to it.
 */
export async function dumpTables(database: D1Database): Promise<TableDump> {
  const names = await (tableNames ??= listTables(database))
  const results = await database.batch<Record<string, unknown>>(
    names.map((name) => {
      const columns = name === 'notifications' ? 'id, kind, user_id, recipient, facts, dedupe_key, created_at' : '*'
      return database.prepare(`SELECT ${columns} FROM "${name}" ORDER BY 1`)
    }),
  )
  return Object.fromEntries(names.map((name, i) => [name, results[i]?.results ?? []]))
}

/** The same without what was counted of tries: for refusals of sign-ins, which write that and nothing else. */
export async function dumpBesideAttempts(database: D1Database): Promise<TableDump> {
  return { ...(await dumpTables(database)), attempts: [] }
}

/** Nobody has an account, a session, a place, a mail or anything else any more. */
export async function emptyTables(database: D1Database): Promise<void> {
  const tables = (await (tableNames ??= listTables(database))).filter((table) => table !== 'd1_migrations')
  await database.batch(tables.map((table) => database.prepare(`DELETE FROM "${table}"`)))
}

/** The schema does not change within a test file. */
let tableNames: Promise<readonly string[]> | undefined

async function listTables(database: D1Database): Promise<readonly string[]> {
  const { results } = await database
    .prepare(
      "SELECT name FROM sqlite_master WHERE type = 'table' " +
        "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' ORDER BY name",
    )
    .all<{ name: string }>()
  return results.map(({ name }) => name)
}
