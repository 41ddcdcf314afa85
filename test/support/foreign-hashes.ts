/**
 * Password hashes as other systems store them, each with the tool that made it. The first list is cheap, so that tests are fast; how a
 * hash is written does not depend on its cost.
 */

import { PASSWORD } from './accounts.ts'

export interface ForeignHash {
  readonly name: string
  /** What made it, and where that is from. */
  readonly tool: string
  readonly command: string
  readonly password: string
  readonly hash: string
}

export const FOREIGN_HASHES: readonly ForeignHash[] = [
  {
    name: 'Django: PBKDF2',
    tool: 'Django 5.2.17 (PyPI)',
    command: "PBKDF2PasswordHasher().encode(PASSWORD, 'seasaltseasaltseasalt1', iterations=1000)",
    password: PASSWORD,
    hash: 'pbkdf2_sha256$1000$seasaltseasaltseasalt1$sfTDnG02umddN3fz2KJI0AZzs3vL4/Tcm0en8YRpJrU=',
  },
  {
    name: 'Django: PBKDF2 of SHA-1',
    tool: 'Django 5.2.17 (PyPI)',
    command: "PBKDF2SHA1PasswordHasher().encode(PASSWORD, 'seasaltseasaltseasalt1', iterations=1000)",
    password: PASSWORD,
    hash: 'pbkdf2_sha1$1000$seasaltseasaltseasalt1$+NTSMT4SzXVjyuCK35ZiKrmBKVU=',
  },
  {
    name: 'Django: Argon2',
    tool: 'Django 5.2.17 (PyPI)',
    command:
      "Argon2PasswordHasher().encode(PASSWORD, 'seasaltseasaltseasalt1') with memory_cost = 64, time_cost = 2, parallelism = 2",
    password: PASSWORD,
    hash: 'argon2$argon2id$v=19$m=64,t=2,p=2$c2Vhc2FsdHNlYXNhbHRzZWFzYWx0MQ$MnVxtDwkgLX8I+bmDHc1YA',
  },
  {
    name: 'Django: scrypt',
    tool: 'Django 5.2.17 (PyPI)',
    command: "ScryptPasswordHasher().encode(PASSWORD, 'seasaltseasaltseasalt1', n=2**10, r=8, p=1)",
    password: PASSWORD,
    hash: 'scrypt$1024$seasaltseasaltseasalt1$8$1$8KUQZF9UbnPEnrtsfrOawSVVxidpxCH52hHtaD9hRpJgN2gPekxDHOm2XUDU45jHgUUWbFAeAibvWb38xgwHtA==',
  },
  {
    name: 'Django: bcrypt of SHA-256',
    tool: 'Django 5.2.17 (PyPI)',
    command: 'h = BCryptSHA256PasswordHasher(); h.rounds = 4; h.encode(PASSWORD, h.salt())',
    password: PASSWORD,
    hash: 'bcrypt_sha256$$2b$04$fPrSh6eRyPoKOPgVWzGkbOY7bzsxUCgYgfxbzYzYNV5aXfAbA2vJu',
  },
  {
    name: 'Django: bcrypt of SHA-256, of more than 72 bytes',
    tool: 'Django 5.2.17 (PyPI)',
    command: "h = BCryptSHA256PasswordHasher(); h.rounds = 4; h.encode('x' * 100 + '\\u00e9', h.salt())",
    password: `${'x'.repeat(100)}\u00e9`,
    hash: 'bcrypt_sha256$$2b$04$C4FjIr.5F5HOM3TaHLWsbu5JoX7un2yWg/1ScuaUH878JzUcT0LCi',
  },
  {
    name: 'Django: bcrypt',
    tool: 'Django 5.2.17 (PyPI)',
    command: 'h = BCryptPasswordHasher(); h.rounds = 4; h.encode(PASSWORD, h.salt())',
    password: PASSWORD,
    hash: 'bcrypt$$2b$04$0pOFWlxk9UkFMRFrAkdZUu4gi8WXCuQzsfjd6Y.mUM/IqFbEiKx/C',
  },
  {
    name: 'passlib: PBKDF2-SHA-256',
    tool: 'passlib 1.7.4 (Debian python3-passlib)',
    command: 'pbkdf2_sha256.using(rounds=1000).hash(PASSWORD)',
    password: PASSWORD,
    hash: '$pbkdf2-sha256$1000$o7RWytlby7n33ltLKYVwTg$3rvpgeHNQiqvXoZzXAk.XFVp.H0OllQazHBhib3zhP8',
  },
  {
    name: 'passlib: PBKDF2-SHA-512',
    tool: 'passlib 1.7.4 (Debian python3-passlib)',
    command: 'pbkdf2_sha512.using(rounds=1000).hash(PASSWORD)',
    password: PASSWORD,
    hash: '$pbkdf2-sha512$1000$XwvhvFfK2Zvzfm/tXQuh9A$kGA3iDVPCLutT3D9fGo3DJaUCn5B.ADQWcI9/szC/u1PJtPjTVtthZla10DAa99qvcr7oQqFJAKkVfEVZEX4IQ',
  },
  {
    name: 'passlib: PBKDF2-SHA-1',
    tool: 'passlib 1.7.4 (Debian python3-passlib)',
    command: 'pbkdf2_sha1.using(rounds=1000).hash(PASSWORD)',
    password: PASSWORD,
    hash: '$pbkdf2$1000$rvUeg9Aag/BeK.W811pLSQ$wOvRncS.LA05Kh6LR6o10uAUfzg',
  },
  {
    name: 'passlib: scrypt',
    tool: 'passlib 1.7.4 (Debian python3-passlib)',
    command: 'scrypt.using(rounds=4).hash(PASSWORD)',
    password: PASSWORD,
    hash: '$scrypt$ln=4,r=8,p=1$4dxby/nfey/l/H8PIQQg5A$JQSmodDr0zeaAWHDQX9YhvGXVGvaAe9l93TroF4FW3w',
  },
  {
    name: 'passlib: bcrypt',
    tool: 'passlib 1.7.4 (Debian python3-passlib)',
    command: 'bcrypt.using(rounds=4).hash(PASSWORD)',
    password: PASSWORD,
    hash: '$2b$04$.D992/J8MllQWfpgF3TX8.O9WjQwnYTKniauUTrPT5ymdIxcD4swm',
  },
  {
    name: 'Argon2i',
    tool: 'argon2-cffi 21.1.0 (Debian python3-argon2)',
    command:
      "hash_secret(PASSWORD.encode(), b'seasaltseasalt16', time_cost=2, memory_cost=64, parallelism=2, hash_len=32, type=Type.I)",
    password: PASSWORD,
    hash: '$argon2i$v=19$m=64,t=2,p=2$c2Vhc2FsdHNlYXNhbHQxNg$BKXoH02blAOn50QtvfX2uuLaclsj0ZE2U3oqIna2rC8',
  },
  {
    name: 'Argon2d',
    tool: 'argon2-cffi 21.1.0 (Debian python3-argon2)',
    command:
      "hash_secret(PASSWORD.encode(), b'seasaltseasalt16', time_cost=2, memory_cost=64, parallelism=2, hash_len=32, type=Type.D)",
    password: PASSWORD,
    hash: '$argon2d$v=19$m=64,t=2,p=2$c2Vhc2FsdHNlYXNhbHQxNg$95hyrr8vr5YIHGaQRLe0v0rtPwePKMepfWRkQSV9kxc',
  },
  {
    name: 'Argon2id',
    tool: 'argon2-cffi 21.1.0 (Debian python3-argon2)',
    command:
      "hash_secret(PASSWORD.encode(), b'seasaltseasalt16', time_cost=2, memory_cost=64, parallelism=2, hash_len=32, type=Type.ID)",
    password: PASSWORD,
    hash: '$argon2id$v=19$m=64,t=2,p=2$c2Vhc2FsdHNlYXNhbHQxNg$8aVbn10CJIh9Loa1xKkBWVYjymb3zVSQ705N3aAgGbw',
  },
  {
    name: 'Argon2i of version 16',
    tool: 'argon2-cffi 21.1.0 (Debian python3-argon2)',
    command:
      "hash_secret(PASSWORD.encode(), b'seasaltseasalt16', time_cost=2, memory_cost=64, parallelism=2, hash_len=32, type=Type.I, version=16)",
    password: PASSWORD,
    hash: '$argon2i$v=16$m=64,t=2,p=2$c2Vhc2FsdHNlYXNhbHQxNg$yqfz2WkcdOauN+LRDve2vQXe89W+k5pQyCbgJKR0tbE',
  },
  {
    name: 'Argon2id of version 16',
    tool: 'argon2-cffi 21.1.0 (Debian python3-argon2)',
    command:
      "hash_secret(PASSWORD.encode(), b'seasaltseasalt16', time_cost=2, memory_cost=64, parallelism=2, hash_len=32, type=Type.ID, version=16)",
    password: PASSWORD,
    hash: '$argon2id$v=16$m=64,t=2,p=2$c2Vhc2FsdHNlYXNhbHQxNg$/LsYJ/dLFzoztSygU8wndXukrqkNiggXKgE+htNufzg',
  },
  {
    name: 'PHP: Argon2i',
    tool: 'PHP 8.2.36 (Debian php-cli)',
    command: "password_hash($password, PASSWORD_ARGON2I, ['memory_cost' => 64, 'time_cost' => 4, 'threads' => 1])",
    password: PASSWORD,
    hash: '$argon2i$v=19$m=64,t=4,p=1$SkF5dmlHcE4yUXJqMW13SA$ghnsofSbw9luDfg3QaDNXX2+OcntGkzo9shqgUX4zIQ',
  },
  {
    name: 'Node: Argon2id',
    tool: 'argon2 0.45.1 (npm)',
    command: 'argon2.hash(PASSWORD, { memoryCost: 64, timeCost: 2, parallelism: 1 })',
    password: PASSWORD,
    hash: '$argon2id$v=19$m=64,p=1,t=2$h3zei6S+uI+oLankyG/K/w$dfuMP4k3Thbrg9O9WT5tAciw/XJqyQhlZrCSjEBcycQ',
  },
  {
    name: 'PHP, Laravel: bcrypt',
    tool: 'PHP 8.2.36 (Debian php-cli)',
    command: "password_hash($password, PASSWORD_BCRYPT, ['cost' => 4])",
    password: PASSWORD,
    hash: '$2y$04$XupQ8kCk7Ju3S6SP32J6rOpLGA.58xBSv/5lNyyHQ/2J.3npyVXs.',
  },
  {
    name: 'Rails, Devise: bcrypt',
    tool: 'bcrypt-ruby 3.1.18 (Debian ruby-bcrypt)',
    command: 'BCrypt::Password.create(password, cost: 4)',
    password: PASSWORD,
    hash: '$2a$04$kvK8yYCZkua3MyLjrboOueuXI1rv7PnY4bxH/owe96Uzgv8SvzqR6',
  },
  {
    name: 'Node, Auth0: bcrypt',
    tool: 'bcrypt 6.0.0 (npm)',
    command: 'bcrypt.hashSync(PASSWORD, 4)',
    password: PASSWORD,
    hash: '$2b$04$8mHnUM9xSAH2KXfbmTY60.GAwiKdCF9TjJEWvc6Qlu/LOweHvAbkK',
  },
  {
    name: 'Supabase: bcrypt',
    tool: 'bcrypt 3.2.2 (Debian python3-bcrypt)',
    command: "hashpw(PASSWORD.encode(), gensalt(4, b'2a'))",
    password: PASSWORD,
    hash: '$2a$04$lJPGlKiXL7hTwFkODeUGM.QMve0VHewMiciTTuKmAiNZEvjCyC.EO',
  },
  {
    name: 'bcrypt of 72 bytes',
    tool: 'bcrypt 3.2.2 (Debian python3-bcrypt)',
    command: "hashpw(b'x' * 72, gensalt(4))",
    password: 'x'.repeat(72),
    hash: '$2b$04$Sju9YIU92u6ZgfHEHD6mS.QL6QZsv40/F9V6dP96uHsS9ZYeWEf5C',
  },
  {
    name: 'bcrypt of more, cut within a character',
    tool: 'bcrypt 3.2.2 (Debian python3-bcrypt)',
    command: "hashpw(('x' * 71 + '\\u00e9 and more').encode(), gensalt(4))",
    password: `${'x'.repeat(71)}\u00e9 and more`,
    hash: '$2b$04$WM0ADN15W5LC7qMTZTXjdedJdDBjsbukoL2oFNyTapYDoNIRFaJeC',
  },
  {
    name: 'bcrypt of a single letter',
    tool: 'bcrypt 3.2.2 (Debian python3-bcrypt)',
    command: "hashpw(b'a', gensalt(4))",
    password: 'a',
    hash: '$2b$04$5fFbX/jYnpk0OpfvzEUT5ONfD73i175xdfV1ybqejy2tmquec2Emu',
  },
  {
    name: 'bcrypt of a byte order mark, a key and a word',
    tool: 'bcrypt 3.2.2 (Debian python3-bcrypt)',
    command: "hashpw('\\ufeff\\U0001f511 \\u043f\\u0430\\u0440\\u043e\\u043b\\u044c'.encode(), gensalt(4))",
    password: '\ufeff\u{1f511} пароль',
    hash: '$2b$04$TAfv8Tphv6Q1w3nOjjUws.ikm.u0ROCL2u4/OhTyR87iHtNVZlXKG',
  },
  {
    name: 'Werkzeug: scrypt',
    tool: 'Werkzeug 3.1.9 (PyPI)',
    command: "generate_password_hash(PASSWORD, 'scrypt:1024:8:1')",
    password: PASSWORD,
    hash: 'scrypt:1024:8:1$XDDgkX4Zai0QIjjE$f919367a4499f4c053bbc68c60459296c88016d729585c55cfcb5834c0238c00686366ea050fa724d32ef8b358a8a7ba1133da05a21de1c411a8686b2521efc7',
  },
  {
    name: 'Werkzeug: PBKDF2-SHA-256',
    tool: 'Werkzeug 3.1.9 (PyPI)',
    command: "generate_password_hash(PASSWORD, 'pbkdf2:sha256:1000')",
    password: PASSWORD,
    hash: 'pbkdf2:sha256:1000$QK0w4yebqegc7Vos$bfe09fb1c51d92e7550d8b0ba3079c8153770ab3fdb1ac3c5a280289eb16f0e8',
  },
  {
    name: 'Werkzeug: PBKDF2-SHA-512',
    tool: 'Werkzeug 3.1.9 (PyPI)',
    command: "generate_password_hash(PASSWORD, 'pbkdf2:sha512:1000')",
    password: PASSWORD,
    hash: 'pbkdf2:sha512:1000$1CX1dP2JKiRSTRHu$77a4dda6acf9e59eff726c951e29b54a554679ff0123f913fc4950074f8a5d262a5fc5039385c8146064f28db23654137f6313980a08b4592d9c1dad43aa5b09',
  },
  {
    name: 'better-auth: scrypt',
    tool: 'better-auth 1.7.25 (npm)',
    command: 'hashPassword(PASSWORD), of better-auth/crypto',
    password: PASSWORD,
    hash: '9c6b77ec0dc821066cf01fefc99c88e2:a664bdaf1282c6d7c869bd5d89fe8d64e3c289f62e7af631a6a7712871ddc04ed093d6400bc2c2422b84712c466482a6302641aed9822e0f48337d64b0855728',
  },
  {
    name: 'Firebase: scrypt',
    tool: 'firebase-scrypt 2.2.0 (npm)',
    command:
      "new FirebaseScrypt({ memCost: 10, rounds: 8, saltSeparator: 'Bw==', signerKey }).hash(PASSWORD, '42xEC+ixf3L2lw==')",
    password: PASSWORD,
    hash: '$fbscrypt$v=1,n=10,r=8,p=1,ss=Bw==,sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==$42xEC+ixf3L2lw==$2ie3Cp4cyxGRtwUOh9JpwokMPugLpCnFk1MEdsztqVsvd6Tm6dvffB02q1ziEJQS3LfSg85/EzS7QMnDG1rN9A==',
  },
  {
    name: 'Firebase: scrypt, as its own page has it',
    tool: 'scrypt of github.com/firebase/scrypt, the example of its README',
    command:
      'echo `./scrypt "$base64_signer_key" "$base64_salt" "$base64_salt_separator" "$rounds" "$memcost" -P <<< "$password"`',
    password: 'user1password',
    hash: '$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==',
  },
  {
    name: 'ASP.NET Core Identity',
    tool: 'aspnetcore-identity-password-hasher 1.0.1 (npm), since Debian has no .NET',
    command: 'new PasswordHasher(1000).hashPassword(PASSWORD)',
    password: PASSWORD,
    hash: 'AQAAAAEAAAPoAAAAECVm1QVoeFWobIulR5W66AC29MbOGgOP65eGdZsvHUxqHraFDsVDfyvGeoxkLPJxeg==',
  },
  {
    name: 'ASP.NET Identity before Core',
    tool: 'aspnetcore-identity-password-hasher 1.0.1 (npm), since Debian has no .NET',
    command: 'new PasswordHasher(1000, PasswordHasherCompatibilityMode.IdentityV2).hashPassword(PASSWORD)',
    password: PASSWORD,
    hash: 'AJ4TMXdoSb16ji6XJDc/98J2PRJrssw4wLYAyqtNnvKuN3Dde2Kc+d7iEtTRd7Wjfw==',
  },
]

/** As strong as their tools make them, for the few tests that can wait for one. */
export const STRONG_HASHES: readonly ForeignHash[] = [
  {
    name: 'Django: PBKDF2 with the 1,000,000 iterations of 5.2',
    tool: 'Django 5.2.17 (PyPI)',
    command: 'make_password(PASSWORD)',
    password: PASSWORD,
    hash: 'pbkdf2_sha256$1000000$DaLJ18v688eYovGIap32Ar$Tz6PnHINXK7Yob15tsmdk9+yxBkRerviKq92jCldW64=',
  },
  {
    name: 'passlib: PBKDF2-SHA-512 with more iterations than WebCrypto grants',
    tool: 'passlib 1.7.4 (Debian python3-passlib)',
    command: 'pbkdf2_sha512.using(rounds=110000).hash(PASSWORD)',
    password: PASSWORD,
    hash: '$pbkdf2-sha512$110000$r/Xe2zuHcC7lXGuNsXZOqQ$.tgDKXkW68qzmeg1yj0PNhSwMA6RenIT41Fhcz6IzMsRTnFDJjerDq1TaT9sAL0kgdGNrDKXmx5HkIKAWI1qmA',
  },
  {
    name: 'bcrypt of cost 12',
    tool: 'bcrypt 3.2.2 (Debian python3-bcrypt)',
    command: 'hashpw(PASSWORD.encode(), gensalt(12))',
    password: PASSWORD,
    hash: '$2b$12$KTnI4NmEMLRO44MdWMZFKu/VZWtvvg826vIk6B2k664Ga14FejxMK',
  },
  {
    name: 'passlib: scrypt with its defaults, 64 MiB',
    tool: 'passlib 1.7.4 (Debian python3-passlib)',
    command: 'scrypt.hash(PASSWORD)',
    password: PASSWORD,
    hash: '$scrypt$ln=16,r=8,p=1$N4awtrbW2pszJuRca835nw$s/Ui9KKD/J4WykQocxGtXNBPHsZKKhygjinlQkPdMEg',
  },
  {
    name: 'Django: scrypt with its defaults',
    tool: 'Django 5.2.17 (PyPI)',
    command: "make_password(PASSWORD, hasher='scrypt')",
    password: PASSWORD,
    hash: 'scrypt$16384$XMjTp8IeAGaaTf8pbvCNgL$8$5$zR6iEE7FSKPiqouheM2wQvZKqe/G3QxpTFO+mTFXyZ2F97IkrE8nuCyu/IwR3BPWRc2xY3eOozXEMKylbrUt9w==',
  },
  {
    name: 'Werkzeug: scrypt with its defaults',
    tool: 'Werkzeug 3.1.9 (PyPI)',
    command: "generate_password_hash(PASSWORD, 'scrypt')",
    password: PASSWORD,
    hash: 'scrypt:32768:8:1$MdMLDhJZnXyPWYKB$24222f260dba6eee0083af7bc5b8fd947b59b9134ca4df50998f3dd0284e26adb2706aafe49589c303d45e743b0eec9e165c442e28918a3d7693b4652ecf39cd',
  },
  {
    name: 'PHP: Argon2id with its defaults, 64 MiB',
    tool: 'PHP 8.2.36 (Debian php-cli)',
    command: 'password_hash($password, PASSWORD_ARGON2ID)',
    password: PASSWORD,
    hash: '$argon2id$v=19$m=65536,t=4,p=1$eWJESHI1RFMxSHp0allqMA$587CklkHhoxRPZPccvk49A7AMj0EDGx8ci2hgwkwuqE',
  },
]

/** What their tools make by default, and an isolate cannot afford. */
export const TOO_STRONG_HASHES: readonly ForeignHash[] = [
  {
    name: 'Django: Argon2 with its defaults, 100 MiB',
    tool: 'Django 5.2.17 (PyPI)',
    command: "Argon2PasswordHasher().encode(PASSWORD, 'seasaltseasaltseasalt1')",
    password: PASSWORD,
    hash: 'argon2$argon2id$v=19$m=102400,t=2,p=8$c2Vhc2FsdHNlYXNhbHRzZWFzYWx0MQ$BXszLYT6Mq3kqHP6w3ffrw',
  },
  {
    name: 'PHP: Argon2i with its defaults, 64 MiB',
    tool: 'PHP 8.2.36 (Debian php-cli)',
    command: 'password_hash($password, PASSWORD_ARGON2I)',
    password: PASSWORD,
    hash: '$argon2i$v=19$m=65536,t=4,p=1$S0Y5S2gxMnVELkY4TGhoNA$k4VIyMsliEZDq9cVALWhjHOtncDYKaTUp5W10ZOXeJI',
  },
]

/** Of passwords with an accent of its own, as some keyboards send it. Their systems hash what they get. */
export const DECOMPOSED_HASHES: readonly ForeignHash[] = [
  {
    name: 'Django: PBKDF2 of a decomposed password',
    tool: 'Django 5.2.17 (PyPI)',
    command: "PBKDF2PasswordHasher().encode('cafe\\u0301 au lait', 'seasaltseasaltseasalt1', iterations=1000)",
    password: 'cafe\u0301 au lait',
    hash: 'pbkdf2_sha256$1000$seasaltseasaltseasalt1$9HVsTbSPY/a5ety5S9Ytpp/bfIWgZ2wUjyiQetsKqOY=',
  },
  {
    name: 'bcrypt of a decomposed password',
    tool: 'bcrypt 3.2.2 (Debian python3-bcrypt)',
    command: "hashpw('cafe\\u0301'.encode(), gensalt(4))",
    password: 'cafe\u0301',
    hash: '$2b$04$5SqH/KXIRL/V2Tl/l6fQ3OcdcUj8oBepWOQ9psr5FhbLxp4D/VLGu',
  },
]

/** The hash of a name. */
export function named(name: string): ForeignHash {
  const found = [...FOREIGN_HASHES, ...STRONG_HASHES].find((one) => one.name === name)
  if (found === undefined) throw new Error(`no hash is named ${name}`)
  return found
}

/** Of an empty password: hashpw(b'', gensalt(4)) of bcrypt 3.2.2. */
export const EMPTY_PASSWORD = '$2b$04$0mrfJsIVgKqkEAqyQbjGPukhKuv9mv1EStOfN0bzZN7MVY4fUK1Bu'

/** hashPassword('\uff43\uff4f\uff52\uff52\uff45\uff43\uff54 \ufb01ne') of better-auth 1.7.25, which hashes the NFKC form of that, `correct fine`. */
export const FULL_WIDTH = {
  password: 'ｃｏｒｒｅｃｔ \ufb01ne',
  hash: 'e26940a1af16ac3da68d59f2f1a0cf57:4c74729bd225d2008455ba7ffd15d0b6c92739c42f657b4f5b9b2a561309877074a5c270411fc40f592b3902b543afb3f20623f7d6fb4ba63fd367302cdda69f',
}
