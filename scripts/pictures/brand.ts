/** Whose pages and mails the pictures show: nobody's, under names that are reserved for examples (RFC 2606). */

import type { Brand } from '../../src/domain/settings.ts'

export const ORIGIN = 'https://auth.example.com'

export const BRAND: Brand = {
  name: 'Harbour',
  url: 'https://app.example.com',
  // Nothing is loaded from elsewhere: the pictures have the name alone.
  logoUrl: undefined,
  color: '#0f6b5c',
}
