/** The page of sessions and places: where an account is signed in, and from where its sessions may be used. */

import { html } from 'hono/html'

import { readDevice } from '../../domain/mails/device.ts'
import type { AllowedPlace } from '../../domain/places/allowed-place.ts'
import { reachOfKey } from '../../domain/places/place.ts'
import { oneLine } from '../../domain/places/names.ts'
import type { ListedSession } from '../../domain/sessions/session.ts'
import { shortTime } from '../../words/time.ts'
import { type Html, type PageContext, renderPage } from '../layout.ts'
import { breakable, button, buttonForm, buttons, capitalized, linkButton, notice, pageButton, rows } from '../parts.ts'
import { PAGE_PATHS } from '../../domain/page-paths.ts'

interface SessionsPage {
  readonly sessions: readonly ListedSession[]
  readonly currentSid: string
  readonly places: readonly AllowedPlace[]
  /** Of whoever reads. */
  readonly timeZone: string | null
  readonly news: string | undefined
}

export function renderSessions(context: PageContext, page: SessionsPage): Html {
  const { words, pathOf } = context
  const { sessions: texts } = words.accountPages
  const { sessions, currentSid, places, timeZone, news } = page
  const others = sessions.filter(({ sid }) => sid !== currentSid)
  const time = (seconds: number) => shortTime(seconds, words.locale, timeZone)

  const listed = sessions.map((session, i) => {
    const id = `session-${i + 1}`
    const last = session.visit ?? session
    const device = readDevice(oneLine(last.userAgent))
    const name = device === null ? texts.unknownDevice : words.device(device)
    const isCurrent = session.sid === currentSid
    return {
      content: html`<p id="${id}"><strong>${name}</strong>${isCurrent ? html` <span class="tag">${texts.current}</span>` : ''}</p><p>${breakable(placeOf(context, last))}</p><p class="quiet">${texts.times(time(session.issuedAt), time(session.createdAt))}</p>${session.boundBy === null ? '' : html`<p class="quiet">${texts.bound}</p>`}`,
      ...(!isCurrent && { action: buttonForm({ hidden: { end: session.sid } }, button(texts.end, 'other', id)) }),
    }
  })
  const allowed = places.map((place) => ({
    content: html`<p id="place-${place.id}">${breakable(nameOf(context, place))}</p><p>${breakable(placeOf(context, place))}</p><p class="quiet">${texts.allowedUntil(time(place.expiresAt))}</p>`,
    action: buttonForm({ hidden: { place: String(place.id) } }, button(texts.takeBack, 'other', `place-${place.id}`)),
  }))

  return renderPage(context, {
    title: words.pages.sessions,
    content: html`${[
      news === undefined ? '' : notice(html`<p>${news}</p>`),
      html`<p>${texts.lead}</p>`,
      rows(listed),
      others.length === 0 ? '' : buttons(buttonForm({ hidden: { others: '1' } }, button(texts.endOthers, 'danger'))),
      html`<h2>${texts.places}</h2><p>${allowed.length === 0 ? texts.noPlaces : texts.placesLead}</p>`,
      allowed.length === 0 ? '' : rows(allowed),
      buttons(
        pageButton(context, 'password', 'other'),
        linkButton(pathOf(PAGE_PATHS.account), words.wayOn.account, 'other'),
      ),
    ]}`,
  })
}

type Placed = Pick<ListedSession, 'city' | 'country' | 'provider'> & { readonly address?: string }

function placeOf({ words }: PageContext, { city, country, provider, address }: Placed): string {
  const parts = [oneLine(city), words.country(country), oneLine(provider), address ?? null]
  return parts.filter((part) => part !== null).join(' · ')
}

/** How far an allowed place reaches, in the words of the mail that offered it. */
function nameOf({ words }: PageContext, { place, provider }: AllowedPlace): string {
  const reach = reachOfKey(place, provider)
  return reach === null ? place : capitalized(words.reach(reach))
}
