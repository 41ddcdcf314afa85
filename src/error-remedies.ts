/** What to do about each error, for the developer of a client: what the catalogue of errors says beside when callers meet it. */

import type { ErrorCode } from './errors.ts'

/** What to do about each error of the table. What stands between backticks is code. */
export const ERROR_REMEDIES: Readonly<Record<ErrorCode, string>> = {
  wrong_data_structure:
    'Compare the request with its operation in `/openapi.json`; `errors` names each field that is wrong. Send a token whole, as it was issued, and a guid as 8-4-4-4-12 hex digits. The same request again gets the same answer, so do not repeat it.',
  password_not_accepted:
    'Show the person the texts of `errors` beside the field, and ask for another password. To check the length before you send, take `PASSWORD_MIN_LENGTH` of the deployment; the other rules are the server’s alone.',
  client_not_valid:
    'Whoever calls with the service key is a server, and says whose request it makes: send the address of your own client in `Tessera-Client-IP`, as your edge saw it, never that of your server and never `X-Forwarded-For` unchecked. The other `Tessera-Client-` headers may be left out; the detail names the one that is wrong.',
  password_not_valid:
    'Ask the person for the present password again. Do not sign them out: their session is good. Every try counts against the account, so do not try by yourself.',
  token_missing:
    'Send both cookies along: by `fetch`, with `credentials: "include"` where the page is on another host. If there are none, the person is not signed in, or the cookie is for another path, host or site: look at `COOKIE_DOMAIN`, `COOKIE_SAMESITE` and `BASE_PATH`.',
  token_not_valid:
    'An access token is good for minutes: refresh, once, and repeat the request with the new one. Where the refresh itself is refused so, the session is over: have the person sign in again. In a fresh deployment, look whether another one, with another `AUTH_SECRET`, issued the token.',
  token_pair_not_valid:
    'Keep both tokens of an answer together, and replace both at once: these two are of different refreshes. In a browser it is the cookies that got mixed, by two hosts that set them for one domain above all. The session lives; the pair that belongs together still works.',
  token_used:
    'Have the person sign in again: this token was exchanged before, or its session was ended. If it happens to people who did nothing, two parts of the client refresh at the same moment, or an answer got lost: share one refresh between all tabs and requests, store the new pair before you use it, or set `REFRESH_REUSE_SECONDS=10`, with which the same pair is given again. If none of that is so, somebody else has the token; its owner got a mail.',
  location_blocked:
    'Have the person sign in again where they are now; the session has ended, and its owner got a mail from which they can allow the place. If it happens to phones, which change networks, set `LOCATION_POLICY=country`, or bind their sessions to a key by DPoP. If it happens to all whom one server calls for, that server has to name its client in `Tessera-Client-IP`.',
  device_proof_required:
    'Nothing, in a browser: it signs what `Secure-Session-Challenge` has, asks again by itself at `POST /refresh/device`, and the next request works. A program that is no browser cannot use the cookies of a session that a browser has bound: sign it in by itself, with `POST /auth/token`.',
  dpop_proof_not_valid:
    'Make a fresh proof (RFC 9449) for each request: the key that the session was opened with, `htm` and `htu` of this very request, `iat` of now, a new `jti`. Check the clock of the device, and that a proxy has not changed host or path. Where the key is lost, the session is lost: sign in again.',
  no_active_account:
    'Tell the person that the address or the password is wrong, in one sentence for every case: the server does not say which, so that nobody learns who has an account. Offer `POST /auth/password/forgot` and `POST /auth/confirm/resend`. Operators see the cause with `npm run users -- why`.',
  not_authenticated:
    'Send `Authorization: Bearer` with the access token, or the access cookie; below `/admin`, and for introspection, the service key. Write the scheme out: a header with the token alone is none.',
  forbidden:
    'By a page: it is of another origin, which has to be listed in `CORS_ORIGINS`, or the request was a prefetch, which must not sign anybody in. By a server: compare `SERVICE_KEY` with the one of the deployment, and the scopes of the key with what the route asks for. Of a registration, `REGISTRATION` is closed; of a session by guid, `ISSUE_ACCESS` does not let you.',
  not_found:
    'Compare the path with `/openapi.json`, `BASE_PATH` and the missing slash at its end included. With an id in the path, there is nothing of that id, or it is somebody else’s. At `/docs`, the deployment has no files of the reference: deploy it anew.',
  method_not_allowed:
    'Use one of the methods that `Allow` names. Routes that issue tokens answer no `HEAD`: a check whether the deployment is up asks `GET /healthz`.',
  already_exists:
    'Take another value for the fields that `errors` names, or find the account that has them: `GET /admin/users` takes `email` and `external_id`. Sent twice, the second of two equal requests gets this answer, and the account is there.',
  payload_too_large:
    'Send less: 16 KiB are enough for every body but an import, which is cut into requests of at most 512 KiB. `npm run users -- import` does that by itself.',
  unsupported_media_type:
    'Set `Content-Type: application/json`, which `fetch` does not do by itself; of an import, `application/x-ndjson`. Only revocation and introspection also take forms.',
  misdirected:
    'Ask at the address that is the `iss` of your tokens. Operators: `PUBLIC_URL` has to be the address that people use, to the letter of host and port, and a proxy before the deployment has to keep the `Host`.',
  too_many_requests:
    'Wait as many seconds as `Retry-After` says, then try again; say so to the person, and do not sign them out. A server that signs many people in has to name its clients in `Tessera-Client-IP`, or it is counted as one.',
  internal:
    'Try once more after a second, and keep the tokens: nothing was decided about them. Then tell the operator the time and the `CF-Ray` of the answer, by which the log has the cause.',
  unavailable:
    'Keep the tokens, wait as many seconds as `Retry-After` says, and send the same request again; a refresh is safe to repeat. Never sign anybody out for it. Operators: `GET /healthz` names the part that is down.',
}
