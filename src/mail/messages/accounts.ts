/** The mails about opening, changing and leaving an account. */

import { describeLifetime } from '../../domain/mails/links.ts'
import type { NoticeFacts } from '../../domain/mails/notice.ts'
import type { Wording } from './layout.ts'

export function confirmAddress(): Wording {
  return {
    subject: 'Confirm your address',
    headline: 'Confirm your address',
    explanation: 'Somebody signed up with this address. The account is made as soon as you confirm that it is yours.',
    advice: `If this was you, confirm it: the link works once, for ${describeLifetime('confirm')}. If it was not you, do nothing, and no account is made.`,
    links: ['confirm'],
  }
}

export function addressTaken(): Wording {
  return {
    subject: 'You have an account already',
    headline: 'You have an account already',
    explanation: 'Somebody wanted to use this address for an account. It has one already, so that nothing was changed.',
    advice: `If this was you, sign in, or ask for a new password there. If it was not you, you need not do anything.`,
    links: [],
  }
}

export function resetPassword(): Wording {
  return {
    subject: 'Choose a new password',
    headline: 'Choose a new password',
    explanation: 'Somebody asked for a new password for your account.',
    advice: `If this was you, choose it by the link, which works once, for ${describeLifetime('reset_password')}. If it was not you, do nothing: your password stays as it is.`,
    links: ['reset_password'],
  }
}

export function confirmEmail(): Wording {
  return {
    subject: 'Confirm your new address',
    headline: 'Confirm your new address',
    explanation: 'Somebody wants to use this address for their account.',
    advice: `If this was you, confirm it: the link works once, for ${describeLifetime('confirm_email')}. If it was not you, do nothing, and the account keeps its address.`,
    links: ['confirm_email'],
  }
}

export function emailChanged(): Wording {
  return {
    subject: 'The address of your account was changed',
    headline: 'The address of your account was changed',
    explanation: 'Your account has another address now. You sign in with that one, and mails go there.',
    advice: `If this was you, you need not do anything. If it was not you, take the change back: the link ends every session, and lets you choose a new password. It works once, for ${describeLifetime('undo_email')}.`,
    links: ['undo_email'],
  }
}

export function accountLeft(): Wording {
  return {
    subject: 'Your account was deleted',
    headline: 'Your account was deleted',
    explanation:
      'Your account was ended with its password. Its sessions have ended, and what we knew of you is deleted.',
    advice: `If this was not you, write to whoever runs this service.`,
    links: [],
  }
}

export function passwordChanged({ how }: NoticeFacts<'password_changed'>): Wording {
  const which = how === 'reset' ? 'All sessions' : 'All other sessions'
  return {
    subject: 'Your password was changed',
    headline: 'Your password was changed',
    explanation: `Your account has a new password. ${which} have ended.`,
    advice: `If this was you, you need not do anything. If it was not you, ask for a new password, and end all your sessions by the link, which works once, for ${describeLifetime('end_sessions')}.`,
    links: ['end_sessions'],
  }
}
