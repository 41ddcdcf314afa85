/** Where the pages of accounts are, below the address of the deployment: mails and pages name them. */

export const PAGE_PATHS = {
  account: '/account',
  sign_in: '/account/sign-in',
  register: '/account/register',
  forgot: '/account/forgot',
  sessions: '/account/sessions',
} as const

export type PageName = keyof typeof PAGE_PATHS
