/** English. It is the shape of every other language, too: a sentence that one of them lacks is a type error there. */

import type { Device } from '../domain/mails/device.ts'
import type { PlaceReach } from '../domain/places/place.ts'
import { countryName, oneLine } from '../domain/places/names.ts'
import type { LinkPurpose } from '../domain/mails/links.ts'
import type { Author, LinkWording, MailWording, OfferedValues, PasswordChange, SignInValues } from './wording.ts'

const plural = new Intl.PluralRules('en')

function counted(count: number, one: string, other: string): string {
  return `${count} ${plural.select(count) === 'one' ? one : other}`
}

function reach(place: PlaceReach): string {
  switch (place.kind) {
    case 'address':
      return `the IP address ${place.address}`
    case 'addresses':
      return `every IP address that starts with ${place.start}`
    case 'network': {
      const provider = oneLine(place.provider)
      return provider === null
        ? `the whole network AS${place.asn}`
        : `the whole network of ${provider} (AS${place.asn})`
    }
    case 'country':
      if (place.country === 'T1') return 'all of the Tor network'
      return `all of ${countryName(place.country, 'en') ?? `what has the country code ${oneLine(place.country)}`}`
  }
}

/** The names of the pages, as their headings and every mention of them have them. */
const pages = {
  account: 'Your account',
  email: 'Change the e-mail address',
  forgot: 'Forgot your password?',
  leave: 'Delete the account',
  password: 'Change the password',
  register: 'Create an account',
  resend: 'No mail to confirm the address?',
  sessions: 'Sessions and places',
  sign_in: 'Sign in',
}

export const en = {
  /** For dates: day before month, 24 hours. */
  locale: 'en-GB',
  country: (code: string | null) => countryName(code, 'en'),
  device: ({ name, isApp, system }: Device) => `${name}${isApp ? ' app' : ''}${system === null ? '' : ` on ${system}`}`,
  reach,
  duration: (seconds: number) =>
    seconds < 172_800 ? counted(seconds / 3600, 'hour', 'hours') : counted(seconds / 86_400, 'day', 'days'),
  unknown: 'unknown',
  pages,
  languageNames: { en: 'English', ru: 'Русский' },

  details: {
    happened: 'What happened',
    when: 'When',
    before: 'Before',
    now: 'Now',
    city: 'City',
    country: 'Country',
    network: 'Network',
    address: 'IP address',
    device: 'Device',
  },

  /** What the button of a link says: in a mail, where it is an answer, and on the page behind it. */
  links: {
    end_sessions: { answer: 'That was not me: end all my sessions', button: 'End all my sessions' },
    allow_place: { answer: 'That was me: allow this place', button: 'Allow this place' },
    confirm: { answer: 'Confirm this address', button: 'Confirm this address' },
    reset_password: { answer: 'Choose a new password', button: 'Save the new password' },
    confirm_email: { answer: 'Confirm this address', button: 'Confirm this address' },
    undo_email: { answer: 'That was not me: take the change back', button: 'Take the change back' },
  },

  mail: {
    aboutAccount: 'Account',
    linksLead: (count: number, host: string) =>
      `${count === 1 ? 'The button of this mail leads' : 'The buttons of this mail lead'} to ${host}.`,
    linksLast: (count: number, duration: string) =>
      `${count === 1 ? 'The link works' : 'The links work'} once, for ${duration}.`,
    /** How to get there without a link. */
    footer: (address: string, page: string) =>
      `You need no link for this: type ${address} into your browser, and you are at the page “${page}”.`,
    promise: (app: string) => `${app} never asks for your password in a mail.`,
  },

  /** What a button says that leads to a page, where it is an answer. */
  toPage: {
    forgot: 'Choose a new password',
    forgotNotMe: 'That was not me: choose a new password',
    resend: 'Send the mail again',
    sessions: 'Look at your sessions',
    sign_in: 'Sign in',
  },

  mails: {
    location_blocked: ({ places, days }: OfferedValues): MailWording => ({
      subject: 'we blocked a session that moved to another place',
      headline: 'We blocked a session of yours that moved to another place',
      happened: [
        'The session was used from a place where it had not been before. We blocked it there, and it has ended: it cannot be used any more, from anywhere.',
      ],
      advice: [
        places === null
          ? 'If that was you, sign in again. The place cannot be allowed: it is a server on which anybody can run a program.'
          : `If that was you, sign in again. To let your sessions move there for the next ${days} days, allow ${reach(places.blocked.reach)}.${places.former === null ? '' : ` On the page behind that button you can allow the former place as well: ${reach(places.former.reach)}.`}`,
        'If that was not you, end all your sessions and choose a new password. That takes back the places that you allowed, too.',
      ],
    }),
    token_reused: (isBound: boolean): MailWording => ({
      subject: 'we ended a session whose key was used twice',
      headline: 'We ended a session of yours whose key was used twice',
      happened: [
        'A key of that session was used again after it had been replaced. That happens when somebody has a copy of it, and now and then when an app loses the new one. Your other sessions go on.',
        ...(isBound
          ? [
              'That session was bound to the device that opened it: whoever used it again has that device, or all that the app keeps there.',
            ]
          : []),
      ],
      advice: [
        'If you know the device, sign in there again. There is nothing else to do.',
        'If you do not know it, end all your sessions and choose a new password.',
      ],
    }),
    other_key: (): MailWording => ({
      subject: 'somebody has a copy of a session of yours',
      headline: 'Somebody has a copy of a session of yours',
      happened: [
        'That session is bound to the device that opened it. Somebody tried to go on with a copy of it on another device, and got nothing. Your session goes on.',
      ],
      advice: [
        'The copy is worth nothing without your device. But whoever made it has read what your device keeps, or what it sent.',
        'If you have just set up the app or the browser again, that was you: sign in there. If not, end all your sessions, and look for what else may have been read.',
      ],
    }),
    confirm_address: (app: string): MailWording => ({
      subject: 'confirm your e-mail address',
      headline: 'Confirm your e-mail address',
      happened: [`Somebody wants to open an account at ${app} with this e-mail address.`],
      advice: [
        'If that was you, confirm the address. Your account is open then, and you can sign in.',
        'If that was not you, there is nothing to do: no account is opened without your confirmation.',
      ],
    }),
    address_taken: (app: string): MailWording => ({
      subject: 'you have an account already',
      headline: 'You have an account already',
      happened: [
        `Somebody wanted to open an account at ${app} with this e-mail address. You have one already, and nothing about it has changed.`,
      ],
      advice: [
        'If that was you, sign in to the account that you have. If you do not remember its password, choose a new one.',
        'If that was not you, there is nothing to do.',
      ],
    }),
    reset_password: (): MailWording => ({
      subject: 'choose a new password',
      headline: 'Choose a new password',
      happened: ['Somebody asked for a new password for your account.'],
      advice: [
        'If that was you, choose it on the page behind this button. All your sessions end then, and you sign in with the new password.',
        'If that was not you, there is nothing to do: your password stays as it is.',
      ],
    }),
    /** An operator had it sent: to an account that has no password yet, or has to get another one. */
    choose_password: (app: string): MailWording => ({
      subject: 'choose a password',
      headline: 'Choose a password',
      happened: [`An operator of ${app} had this mail sent to you, so that you choose a password for your account.`],
      advice: [
        'Choose it on the page behind this button. If you are signed in anywhere, you sign in there again with the new password.',
        'If you do not want that, there is nothing to do: your account stays as it is.',
      ],
    }),
    password_changed: (how: PasswordChange, app: string): MailWording => ({
      subject: 'your password was changed',
      headline: 'Your password was changed',
      happened: {
        changed: [
          'It was changed by somebody who knew the former password. All other sessions of your account have ended.',
        ],
        reset: [
          'It was changed by the link of a mail that we sent to this address. All sessions of your account have ended.',
        ],
        operator: [`It was changed by an operator of ${app}. All sessions of your account have ended.`],
      }[how],
      advice:
        how === 'operator'
          ? [
              'If you were told of it, sign in with the new password, or choose one that only you know.',
              `If you were not, choose a new password, and ask whoever runs ${app}.`,
            ]
          : [
              'If that was you, there is nothing to do.',
              'If that was not you, choose a new password now, and end all your sessions.',
            ],
    }),
    confirm_email: (app: string): MailWording => ({
      subject: 'confirm your new e-mail address',
      headline: 'Confirm your new e-mail address',
      happened: [`Somebody wants to use this e-mail address for their account at ${app}, instead of another one.`],
      advice: [
        'If that was you, confirm the address. Until then your former address stays as it is.',
        'If that was not you, there is nothing to do: nothing changes without your confirmation.',
      ],
    }),
    email_changed: (by: Author, app: string): MailWording => ({
      subject: 'the e-mail address of your account was changed',
      headline: 'The e-mail address of your account was changed',
      ...(by === 'operator'
        ? {
            happened: [
              `An operator of ${app} took this e-mail address from your account. It is no longer possible to sign in with it. All sessions of the account have ended.`,
            ],
            advice: [
              'If you were told of it, there is nothing to do.',
              `If you were not, ask whoever runs ${app}: they can take the change back.`,
            ],
          }
        : {
            happened: [
              'Your account has another e-mail address now. It is no longer possible to sign in with this one.',
            ],
            advice: [
              'If that was you, there is nothing to do.',
              'If that was not you, take the change back. The account gets this address again, all its sessions end, and you choose a new password.',
            ],
          }),
    }),
    account_left: (by: Author, app: string): MailWording => ({
      subject: 'your account was deleted',
      headline: 'Your account was deleted',
      ...(by === 'operator'
        ? {
            happened: [
              `Your account at ${app} and its data were deleted by an operator. All its sessions have ended. Nobody can bring it back.`,
            ],
            advice: [
              'If you were told of it, there is nothing to do. This is the last mail about it.',
              `If you were not, ask whoever runs ${app}.`,
            ],
          }
        : {
            happened: [
              `Your account at ${app} and its data were deleted by somebody who knew its password. All its sessions have ended. Nobody can bring it back.`,
            ],
            advice: [
              'If that was you, there is nothing to do. This is the last mail about it.',
              'If that was not you, somebody knows the password that you had: choose another one wherever else you use it.',
            ],
          }),
    }),
    sign_ins_paused: (failures: number): MailWording => ({
      subject: 'sign-ins from unknown places have to wait',
      headline: 'Sign-ins to your account from unknown places have to wait',
      happened: [
        `${counted(failures, 'wrong password was', 'wrong passwords were')} entered for your account in a row, from places where you never signed in. So sign-ins from such places have to wait for a while. Places where you signed in before are not affected.`,
      ],
      advice: [
        'If that was not you, there is nothing to do: nobody got in.',
        'If that was you, sign in from a place where you signed in before, wait for a while, or choose a new password: that ends the wait.',
      ],
    }),
    new_sign_in: ({ isNewPlace, failures, isBound = false }: SignInValues): MailWording => ({
      subject: isNewPlace ? 'a sign-in from a new place' : 'a sign-in after wrong passwords',
      headline: isNewPlace
        ? 'There was a sign-in to your account from a new place'
        : 'There was a sign-in to your account after wrong passwords',
      happened: [
        ...(isNewPlace ? ['Nobody signed in to your account from this place in the last 90 days.'] : []),
        ...(failures > 0
          ? [`${counted(failures, 'wrong password was', 'wrong passwords were')} entered before this sign-in.`]
          : []),
        ...(isBound
          ? ['The session that it opened is bound to its device: copied to another one, it is worth nothing.']
          : []),
      ],
      advice: [
        'If that was you, there is nothing to do.',
        'If that was not you, end all your sessions and choose a new password.',
      ],
    }),
  },

  linkPages: {
    end_sessions: {
      question: 'End all your sessions?',
      consequence:
        'Every device that is signed in to your account will have to sign in again, this one included. Places that you allowed are taken back, and the other links of the mail stop working.',
      done: 'All your sessions have ended',
      afterwards: [
        'Every device has to sign in again, the last of them within minutes. If somebody else may know your password, choose a new one.',
      ],
    } satisfies LinkWording,
    allow_place: {
      question: 'Was that you?',
      consequence:
        'If that was you, you can allow the place, so that your sessions may move there and back. If that was not you, end all your sessions.',
      done: 'The place is allowed',
      afterwards: ['The session that was blocked has ended all the same: sign in again.'],
    } satisfies LinkWording,
    confirm: {
      question: 'Confirm your e-mail address?',
      consequence: 'Your account is open then, and you can sign in.',
      done: 'Your account is open',
      afterwards: ['Your e-mail address is confirmed. You can sign in now.'],
    } satisfies LinkWording,
    reset_password: {
      question: 'Choose a new password',
      consequence: 'All your sessions end then, and you sign in with the new password.',
      done: 'Your password was changed',
      afterwards: ['All your sessions have ended. Sign in with the new password.'],
    } satisfies LinkWording,
    confirm_email: {
      question: 'Confirm your new e-mail address?',
      consequence: 'You sign in with this address then, and our mails go there.',
      done: 'Your e-mail address was changed',
      afterwards: ['Sign in with the new address from now on.'],
    } satisfies LinkWording,
    undo_email: {
      question: 'Take the change back?',
      consequence:
        'Your account gets its former e-mail address again, all its sessions end, and you choose a new password.',
      done: 'The change was taken back',
      afterwards: ['All your sessions have ended. Choose a new password before you sign in again.'],
    } satisfies LinkWording,
  },

  allowPlace: {
    extent: (days: number) => `What you would allow, for ${days} days`,
    former: (place: string) => `Also where this session was before: ${place}`,
  },

  failedLink: {
    used: {
      title: 'This link was used already',
      advice: 'Each link of a mail works once, and no longer when what it is about has changed since.',
    },
    notValid: (duration: string) => ({
      title: 'This link does not work',
      advice: `It may be older than ${duration}, or it was not copied whole. Open it from the mail itself.`,
    }),
    trouble: {
      title: 'This did not work just now',
      advice: 'The trouble is on our side. It may have been done all the same: please try again in a minute.',
    },
    /** What does the same without this link, for whoever still wants it. */
    instead: {
      end_sessions: 'To see where you are signed in, and to end sessions, sign in and look at your sessions.',
      allow_place: 'To see where you are signed in, and to end sessions, sign in and look at your sessions.',
      confirm: 'If you have confirmed the address, sign in. If you have not, let us send the mail again.',
      reset_password: 'If you still need a new password, let us send you another mail.',
      confirm_email: 'If your account does not have the new address yet, sign in and enter it once more.',
      undo_email:
        'If you took the change back and have no new password yet, let us send you a mail for it. If somebody else has your account, ask whoever runs this application for help.',
    } satisfies Readonly<Record<LinkPurpose, string>>,
  },

  tryAgain: 'Try again',

  wayOn: {
    app: (name: string) => `Go on to ${name}`,
    account: 'Go to your account',
  },

  forms: {
    problems: 'Please look at these fields again',
  },

  /** The pages of accounts: forms, and what is said before and after them. */
  accountPages: {
    fields: {
      email: 'E-mail address',
      newEmail: 'New e-mail address',
      password: 'Password',
      currentPassword: 'Current password',
      newPassword: 'New password',
    },
    passwordHint: (min: number) => `At least ${min} characters. Several words make a good one, and spaces count.`,
    /** Which rule a new password breaks. */
    rules: {
      too_short: (min: number) => `It needs at least ${min} characters.`,
      too_long: () => 'It may have at most 128 characters.',
      own_address: () => 'It is made of your own e-mail address. Please choose another one.',
      service_name: () => 'It is made of the name of this service. Please choose another one.',
      common: () => 'It is one of the most used passwords, or close to one. Please choose another one.',
      leaked: () => 'It is known from leaks of other sites. Please choose another one.',
    },
    problems: {
      noAccount: 'The e-mail address and the password do not match, or the address is not confirmed yet.',
      wrongPassword: 'This is not the password of your account.',
      noEmail: 'This is not an e-mail address.',
      missing: 'Please fill this in.',
      tooMany: 'Too many tries from here. Please wait for a minute.',
    },
    submit: {
      signIn: 'Sign in',
      register: 'Create the account',
      resend: 'Send the mail again',
      forgot: 'Send me a mail',
      password: 'Save the new password',
      email: 'Send a mail to the new address',
      leave: 'Delete my account',
    },
    lead: {
      register: ['We send a mail to this address. Your account is open as soon as you confirm it there.'],
      resend: ['If you have created an account and have not confirmed its address yet, we send you that mail again.'],
      forgot: [
        'We send a mail to the address of your account. Its link leads to the page where you choose a new password.',
      ],
      password: ['All your other sessions end, and we tell you by mail.'],
      email: [
        'We send a mail to the new address. As soon as you confirm it there, it replaces the former one, and we tell that one by mail.',
      ],
      leave: [
        'All your sessions end, and your e-mail address, your password and your places are deleted. Nobody can bring them back.',
      ],
    },
    /** After a form that asked for a mail. The same whether or not there is an account. */
    sent: {
      register: {
        title: 'Check your mailbox',
        texts: [
          'If the address is right, a mail is on its way there. Follow its link to confirm the address.',
          'If it does not come, look in your spam folder, or let us send it again.',
        ],
      },
      resend: {
        title: 'Check your mailbox',
        texts: ['If there is an account to confirm, the mail is on its way once more.'],
      },
      forgot: {
        title: 'Check your mailbox',
        texts: [
          'If this address has an account, a mail is on its way there. Its link works for an hour.',
          'If it does not come, look in your spam folder, and check the address.',
        ],
      },
    },
    news: {
      blocked: 'Your session moved to another place, so we blocked it, and told you by mail. Please sign in again.',
      again: 'You were away for a while, so your sign-in was renewed. Please fill this in once more.',
      done: 'That is done.',
      email: 'A mail is on its way to the new address. Follow its link to confirm it.',
      language: 'From now on, mails to you are in the language that is marked below.',
      left: 'Your account was deleted.',
      password: 'Your password was changed. All your other sessions have ended.',
      signedOut: 'You are signed out.',
    },
    home: {
      signedInAs: (email: string) => `You are signed in as ${email}.`,
      noEmail: 'You are signed in. Your account has no e-mail address.',
      language: 'Language of mails',
      languageHint: 'Pages have the language of your browser.',
      signOut: 'Sign out',
    },
    sessions: {
      lead: 'You are signed in here. If you do not know one of these sessions, end it, and then change your password.',
      current: 'this one',
      unknownDevice: 'Unknown device',
      times: (used: string, opened: string) => `Last used ${used}, signed in ${opened}`,
      bound: 'Bound to this device: copied to another one, it is worth nothing. It may move from place to place.',
      end: 'End',
      endOthers: 'End all other sessions',
      places: 'Allowed places',
      noPlaces: 'You have allowed none. When we block a session, our mail about it offers to.',
      placesLead: 'Your sessions may move to these places.',
      allowedUntil: (time: string) => `Until ${time}`,
      takeBack: 'Take back',
    },
    trouble: {
      title: 'This did not work just now',
      text: 'The trouble is on our side. Please try again in a minute.',
    },
    refused: {
      title: 'This was not done',
      text: 'The request did not come from our own page, or not whole. Open the page again, and try once more.',
    },
    notFound: {
      title: 'There is no such page',
      text: 'Its address may be mistyped.',
    },
    closed: {
      title: 'There is no such page',
      text: 'Nobody can create an account here by themselves.',
    },
  },

  returning: {
    wait: {
      title: 'One moment',
      text: 'Your sign-in is being renewed, and you are taken back to where you were.',
      button: 'Go on',
      otherwise: 'Press the button if nothing happens.',
    },
    trouble: {
      title: 'This did not work just now',
      text: 'The trouble is on our side, and has nothing to do with your sign-in. Please try again in a moment.',
    },
    circles: 'You are being sent in circles',
    check: 'If it is yours, check',
    loop: {
      text: 'You are signed in. But the application to which you return does not see that, and sends you back here. Please try again in a moment; if it goes on like this, tell whoever runs the application.',
      own: 'Signed in at',
      other: 'Sent back by',
      /** A text between backquotes is code. */
      checks: (own: string) => [
        'Does it read the cookie `access_token`, from the request that it answers?',
        `Does the cookie reach its host? Without \`COOKIE_DOMAIN\` it is sent to ${own} alone, port aside.`,
        'Is it served over https? A `Secure` cookie is not sent without.',
        'Is it of the same site as this address? To another site, cookies go only as far as `COOKIE_SAMESITE` says.',
        'Does it take the token? Issuer, audience and keys must be those of this deployment, and its clock must be right.',
      ],
    },
    signInLoop: {
      text: 'You are not signed in, and the page where you could sign in sends you back here. Please tell whoever runs the application.',
      checks: [
        'The page at `SIGN_IN_URL` must be there for people who are not signed in: leave it out of what your application protects.',
      ],
    },
  },
}

/** What every language has. */
export type Words = typeof en
