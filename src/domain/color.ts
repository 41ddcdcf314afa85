/** Colours as people can read them: contrast by WCAG 2.2 (1.4.3), which asks for 4.5:1 of text. A colour is `#rrggbb`. */

/** The least contrast of a text against what is behind it. */
export const MINIMUM_CONTRAST = 4.5
/** The background of pages and mails in the dark scheme. */
export const DARK_BACKGROUND = '#0d1117'

const WHITE = [255, 255, 255] as const
/** In how many steps a colour becomes white. */
const STEPS = 64

type Channels = readonly number[]

/** The contrast of two colours, from 1 (the same) to 21 (black and white), in either order. */
export function contrast(one: string, other: string): number {
  const [low = 0, high = 0] = [luminance(channelsOf(one)), luminance(channelsOf(other))].toSorted((a, b) => a - b)
  return (high + 0.05) / (low + 0.05)
}

/** A colour for the dark scheme: the same, mixed with as little white as makes it readable on `DARK_BACKGROUND`. */
export function lightened(color: string): string {
  const channels = channelsOf(color)
  const shades = Array.from({ length: STEPS + 1 }, (_, step) =>
    toText(channels.map((channel, i) => channel + ((WHITE[i] ?? 0) - channel) * (step / STEPS))),
  )
  return shades.find((shade) => contrast(shade, DARK_BACKGROUND) >= MINIMUM_CONTRAST) ?? toText(WHITE)
}

function channelsOf(color: string): Channels {
  return [1, 3, 5].map((start) => Number.parseInt(color.slice(start, start + 2), 16))
}

function toText(channels: Channels): string {
  return `#${channels.map((channel) => Math.round(channel).toString(16).padStart(2, '0')).join('')}`
}

/** The relative luminance of WCAG 2.2, from 0 to 1. */
function luminance(channels: Channels): number {
  const [red = 0, green = 0, blue = 0] = channels.map((channel) => {
    const part = channel / 255
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}
