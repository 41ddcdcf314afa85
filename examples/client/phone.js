/** Of an app made with Expo: the pair is in the keychain of the phone. */

import * as SecureStore from 'expo-secure-store'
import { createClient, inSecureStore } from 'tessera/client'

export const client = createClient({
  url: 'https://auth.example.com',
  storage: inSecureStore(SecureStore),
  apis: ['https://api.example.com'],
})
