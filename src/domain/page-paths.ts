/** Where the pages of accounts are, below the address of the deployment: mails and pages name them. */

export const PAGE_PATHS = {
  account: '/account',
  sign_in: '/account/sign-in',
  register: '/account/register',
  resend: '/account/confirm',
  forgot: '/account/forgot',
  sessions: '/account/sessions',
  password: '/account/password',
  email: '/account/email',
  leave: '/account/leave',
  /** It only takes the button of another page. */
  sign_out: '/account/sign-out',
} as const

/** What the page to sign in on is told in `?done=` about a session that was blocked as it moved. */
export const BLOCKED = 'blocked'

export type PageName = Exclude<keyof typeof PAGE_PATHS, 'sign_out'>
