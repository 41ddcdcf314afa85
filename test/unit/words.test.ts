/** The words of the languages beside each other: each is its own, none is left in English, and numbers have their cases. */

import { describe, expect, test } from 'vitest'

import { LANGUAGES } from '../../src/domain/language.ts'
import { en } from '../../src/words/en.ts'
import { loadWords } from '../../src/words/load.ts'
import { ru } from '../../src/words/ru.ts'

/** Every fixed text of a language, by its place; what is made by a function is tested where it is used. */
function textsOf(words: object, path = ''): readonly (readonly [place: string, text: string])[] {
  return Object.entries(words).flatMap(([name, value]: [string, unknown]) => {
    const place = path === '' ? name : `${path}.${name}`
    if (typeof value === 'string') return [[place, value] as const]
    return typeof value === 'object' && value !== null ? textsOf(value, place) : []
  })
}

const [english, russian] = [new Map(textsOf(en)), new Map(textsOf(ru))]

/** Names are the same in every language. */
const NAMES = new Set(['locale', 'languageNames.en', 'languageNames.ru'])

/** What stands between backquotes. */
function codes(text: string | undefined): readonly string[] {
  return (text ?? '').match(/`[^`]+`/g) ?? []
}

describe('Russian', () => {
  test('has every text that English has, and no other', () => {
    expect([...russian.keys()].toSorted()).toEqual([...english.keys()].toSorted())
    expect(english.size).toBeGreaterThan(100)
  })

  test('is Russian throughout', () => {
    const left = [...russian].filter(([place, text]) => !NAMES.has(place) && !/[а-яё]/i.test(text))
    expect(left).toEqual([])
  })

  test('names the same settings and cookies, letter by letter', () => {
    for (const [place, text] of english) expect([place, codes(russian.get(place))]).toEqual([place, codes(text)])
    const [own] = ['auth.example.com']
    const checks = [en, ru].map(({ returning }) => returning.loop.checks(own).map(codes))
    expect(checks[1]).toEqual(checks[0])
  })

  test.each([
    [1, 'введён 1 неверный пароль', 'Перед этим был введён 1 неверный пароль.'],
    [3, 'введено 3 неверных пароля', 'Перед этим было введено 3 неверных пароля.'],
    [10, 'введено 10 неверных паролей', 'Перед этим было введено 10 неверных паролей.'],
    [21, 'введён 21 неверный пароль', 'Перед этим был введён 21 неверный пароль.'],
    [102, 'введено 102 неверных пароля', 'Перед этим было введено 102 неверных пароля.'],
  ])('has the case that %i asks for', (failures, inside, sentence) => {
    expect(ru.mails.sign_ins_paused(failures).happened.join(' ')).toContain(`: ${inside} подряд.`)
    expect(ru.mails.new_sign_in({ isNewPlace: false, failures }).happened).toEqual([sentence])
  })

  test.each([
    [1, 'на 1 день'],
    [2, 'на 2 дня'],
    [21, 'на 21 день'],
    [90, 'на 90 дней'],
  ])('has the case of %i days', (days, text) => {
    expect(ru.allowPlace.extent(days)).toBe(`Что вы разрешите ${text}`)
  })

  test.each([
    [3600, '1 часа', '1 hour'],
    [86_400, '24 часов', '24 hours'],
    [86_400 * 2, '2 дней', '2 days'],
    [86_400 * 21, '21 дня', '21 days'],
  ])('says how long %i seconds are', (seconds, inRussian, inEnglish) => {
    expect([ru.duration(seconds), en.duration(seconds)]).toEqual([inRussian, inEnglish])
  })
})

test('every language has its words under its own name', async () => {
  const loaded = await Promise.all(LANGUAGES.map(async (language) => (await loadWords(language)).locale.slice(0, 2)))
  expect(loaded).toEqual([...LANGUAGES])
})

test.each(LANGUAGES)(
  'no sentence of %s has two blanks, a blank at its end, or a straight quotation mark',
  async (language) => {
    const texts = textsOf(await loadWords(language))
    expect(texts.filter(([, text]) => /\s\s|^\s|\s$|"/.test(text))).toEqual([])
  },
)
