/** Of the frameworks, what the files beside this use: none of them is installed here. */

interface ReadCookies<Value> {
  get(name: string): Value | undefined
}

declare module 'next/server' {
  export interface NextRequest extends Request {
    readonly cookies: ReadCookies<{ readonly value: string }>
    readonly nextUrl: URL
  }
  export const NextResponse: { next(): Response; redirect(url: string, status: number): Response }
}

declare module '@sveltejs/kit' {
  export function error(status: number): never
  export function redirect(status: number, location: string, options: { external: boolean }): never
}

declare module '@sveltejs/kit/hooks' {
  export interface RequestEvent {
    readonly cookies: ReadCookies<string>
    readonly isDataRequest: boolean
    readonly request: Request
    readonly url: URL
  }
  export type Handle = (input: {
    event: RequestEvent
    resolve: (event: RequestEvent) => Promise<Response>
  }) => Promise<Response>
}

declare module 'h3' {
  export interface H3Event {
    readonly method: string
    readonly path: string
  }
  export function createError(input: { statusCode: number }): Error
  export function defineEventHandler<Handler extends (event: H3Event) => unknown>(handler: Handler): Handler
  export function getCookie(event: H3Event, name: string): string | undefined
  export function getHeader(event: H3Event, name: string): string | undefined
  export function sendRedirect(event: H3Event, location: string, status: number): Promise<void>
}

declare module 'astro:middleware' {
  export interface APIContext {
    readonly cookies: ReadCookies<{ readonly value: string }>
    readonly redirect: (path: string, status: 303) => Response
    readonly request: Request
    readonly url: URL
  }
  type Middleware = (context: APIContext, next: () => Promise<Response>) => Promise<Response>
  export function defineMiddleware(middleware: Middleware): Middleware
}
