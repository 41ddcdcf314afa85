/** Every command of `npm run users`, and every option: what the help prints, and what a command line may hold. */

export interface OptionSpec {
  /** What stands for the value in the help; without it the option is a switch. */
  readonly value?: string
  readonly says: string
}

/** Options of single commands. */
export const OPTIONS = {
  group: { value: 'GROUP', says: 'the group' },
  guid: { value: 'GUID', says: 'the guid, where another system chose it' },
  'external-id': { value: 'ID', says: 'what another system calls it' },
  claims: { value: 'JSON', says: 'claims for its access tokens, a JSON object' },
  language: { value: 'CODE', says: 'of its mails: en or ru' },
  'time-zone': { value: 'ZONE', says: 'of times in its mails, such as Europe/Berlin' },
  password: { says: 'asks for a password at the terminal' },
  'password-stdin': { says: 'reads the password from standard input' },
  'hash-stdin': { says: 'reads a hash of docs/password-hashes.md there' },
  unconfirmed: { says: 'whose address nobody confirmed' },
  confirmed: { says: 'whose address is confirmed' },
  disabled: { says: 'that may not sign in' },
  enabled: { says: 'that may sign in' },
  invite: { says: 'mails a link to choose a password' },
  left: { says: 'also accounts that were deleted' },
  limit: { value: 'N', says: 'so many at most (50)' },
  all: { says: 'all there are' },
  none: { says: 'takes it away' },
  mail: { says: 'mails the link once more with which one confirms' },
  actor: { value: 'KEY', says: 'by the service key of that name' },
  action: { value: 'ACTION', says: 'such as user_changed' },
  since: { value: 'TIME', says: '2026-11-28, 2026-11-28T14:00, or 12h, 7d ago' },
  until: { value: 'TIME', says: 'not after' },
  state: { value: 'STATE', says: 'parked (the default), waiting or sent' },
  of: { value: 'ACCOUNT', says: 'to that account' },
  everybody: { says: 'of all accounts, after a key has leaked' },
  yes: { says: 'does not ask' },
  from: {
    value: 'SYSTEM',
    says: 'whose export it is: docs/import.md has guides',
  },
  map: { value: 'THEIRS=OURS', says: 'which column is what; may stand several times' },
  set: { value: 'OURS=VALUE', says: 'for every row that does not say; as often, too' },
  'firebase-config': { value: 'FILE', says: 'its password hash parameters' },
  'dry-run': { says: 'checks the rows on this machine, and sends none' },
  restart: { says: 'begins with the first row again' },
  parallel: { value: 'N', says: 'requests at a time (4)' },
  patience: { value: 'SECONDS', says: 'of trouble, after which it stops (300)' },
} as const satisfies Readonly<Record<string, OptionSpec>>

/** Options of every command. */
export const GLOBAL_OPTIONS = {
  remote: { says: 'the deployment instead of this machine' },
  name: { value: 'NAME', says: 'which one, where this checkout knows several' },
  url: { value: 'URL', says: 'its address, BASE_PATH included' },
  json: { says: 'one line of JSON; of a list, one for each entry' },
  help: { says: 'this' },
} as const satisfies Readonly<Record<string, OptionSpec>>

export type OptionName = keyof typeof OPTIONS

export interface CommandSpec {
  /** Its operands: `NAME` is required, `[NAME]` is not, and `[NAME…]` are any number. */
  readonly operands: string
  readonly says: string
  readonly options: readonly OptionName[]
}

const LISTED = ['limit', 'all'] as const
const OF_NEW = ['group', 'guid', 'external-id', 'claims', 'language', 'time-zone'] as const
const SECRETS = ['password-stdin', 'hash-stdin'] as const

/** In the order of the help, a group of commands each. */
export const GROUPS = {
  Accounts: {
    add: {
      operands: '[ADDRESS]',
      says: 'makes an account',
      options: [...OF_NEW, 'invite', 'password', ...SECRETS, 'unconfirmed', 'disabled'],
    },
    list: {
      operands: '[SEARCH]',
      says: 'finds accounts by a part of their address or id',
      options: ['group', 'enabled', 'disabled', 'confirmed', 'unconfirmed', 'left', ...LISTED],
    },
    show: { operands: 'ACCOUNT', says: 'everything that is known of it', options: [] },
    delete: { operands: 'ACCOUNT', says: 'ends it; its guid is never given again', options: ['yes'] },
    import: {
      operands: 'FILE',
      says: 'brings accounts along, from CSV or JSON',
      options: ['from', 'map', 'set', 'firebase-config', 'dry-run', 'restart', 'parallel', 'patience'],
    },
  },
  'What an account may, and is': {
    disable: { operands: 'ACCOUNT', says: 'it may not sign in, and its sessions end', options: [] },
    enable: { operands: 'ACCOUNT', says: 'it may sign in again', options: [] },
    group: { operands: 'ACCOUNT GROUP', says: 'puts it into a group', options: [] },
    confirm: { operands: 'ACCOUNT', says: 'its address counts as confirmed', options: ['mail'] },
    email: { operands: 'ACCOUNT ADDRESS', says: 'gives it another address, and ends its sessions', options: [] },
    password: {
      operands: 'ACCOUNT',
      says: 'gives it another password, and ends its sessions',
      options: [...SECRETS, 'none'],
    },
    reset: { operands: 'ACCOUNT', says: 'mails a link to choose a new password', options: [] },
    claims: { operands: 'ACCOUNT [JSON]', says: 'shows or replaces its own claims', options: ['none'] },
    'external-id': { operands: 'ACCOUNT [ID]', says: 'what another system calls it', options: ['none'] },
    language: { operands: 'ACCOUNT [CODE]', says: 'the language of its mails: en or ru', options: ['none'] },
    'time-zone': { operands: 'ACCOUNT [ZONE]', says: 'the zone of times in its mails', options: ['none'] },
  },
  'What happened': {
    why: { operands: 'ACCOUNT', says: 'the story of its sessions: opened, ended, and why', options: [...LISTED] },
    sessions: { operands: 'ACCOUNT', says: 'where it is signed in now', options: [] },
    'end-sessions': {
      operands: '[ACCOUNT] [SID]',
      says: 'ends all of its sessions, or one',
      options: ['everybody', 'yes'],
    },
    audit: {
      operands: '[ACCOUNT]',
      says: 'the ledger: who changed what',
      options: ['actor', 'action', 'since', 'until', ...LISTED],
    },
    mails: { operands: '', says: 'mails that could not be sent', options: ['state', 'of', ...LISTED] },
    requeue: { operands: '[MAIL…]', says: 'has mails tried again', options: ['all'] },
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, CommandSpec>>>>

type Groups = typeof GROUPS
export type CommandName = { readonly [G in keyof Groups]: keyof Groups[G] }[keyof Groups]

/** Every command by its name. */
export const COMMANDS: Readonly<Record<CommandName, CommandSpec>> = Object.assign(
  {},
  ...Object.values(GROUPS),
) as Record<CommandName, CommandSpec>

export function isCommand(name: string): name is CommandName {
  return Object.hasOwn(COMMANDS, name)
}
