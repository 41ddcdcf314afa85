/** Headers of every page: nothing but its own style, no frame, and no referrer, since an address may carry a link's token. */

import { NONCE, secureHeaders } from 'hono/secure-headers'

/** Its nonce is `c.get('secureHeadersNonce')`. */
export const pageHeaders = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    styleSrc: [NONCE],
    formAction: ["'self'"],
    baseUri: ["'none'"],
    frameAncestors: ["'none'"],
  },
  xFrameOptions: 'DENY',
  // Whether all of a domain speaks https is not for one page of it to say.
  strictTransportSecurity: false,
  referrerPolicy: 'no-referrer',
})
