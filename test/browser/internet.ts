/**
 * An internet of its own: hosts with https names, and places to be at. Whoever goes online through the proxy of a place asks from its
 * address, a browser as well as the program of a back end. As at Cloudflare, the edge ends TLS and says in `CF-Connecting-IP` who asks.
 */

import { execFileSync } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, request as ask, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { connect, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { listen as listenOn } from './pages-and-jars.ts'

/** What went over the wire. */
export interface Exchange {
  /** The address of whoever asked. */
  readonly from: string
  readonly method: string
  readonly url: string
  readonly status: number
  readonly cookies: readonly string[]
}

export interface Internet {
  /** The certificate of all its hosts. */
  readonly certificate: string
  /** The SHA-256 of its SPKI, in base64: how Chromium can be told to take it for good. */
  readonly spki: string
  /** Everything that was asked, in the order of the answers. */
  readonly exchanges: Exchange[]
  /** Sends what is asked of a host, or below one of its paths, to a port of this machine. */
  readonly route: (where: string, port: number) => void
  /** The proxy of a place. Needs some milliseconds for a new one. */
  readonly place: (address: string) => Promise<string>
  /** The proxy of somebody who can move. */
  readonly traveller: (address: string) => Promise<Traveller>
  readonly close: () => Promise<void>
}

export interface Traveller {
  readonly proxy: string
  /** Whatever was connected is not any more. */
  readonly moveTo: (address: string) => void
}

/** Opens one for names below `.test`, such as `*.shop.test`. */
export async function openInternet(names: readonly string[]): Promise<Internet> {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-internet-'))
  const certificate = join(folder, 'certificate.pem')
  const key = join(folder, 'key.pem')
  const subject = ['-subj', '/CN=test', '-addext', `subjectAltName=${names.map((name) => `DNS:${name}`).join()}`]
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key]
  execFileSync('openssl', ['req', '-x509', '-days', '2', ...newKey, ...subject, '-out', certificate], { stdio: 'pipe' })

  const { publicKey: spki } = new X509Certificate(readFileSync(certificate))
  const publicKey = spki.export({ type: 'spki', format: 'der' })

  const routes = new Map<string, number>()
  const exchanges: Exchange[] = []
  /** By the port that the connection of a place comes from. */
  const addresses = new Map<number, string>()
  const servers: Server[] = []
  const sockets = new Set<Socket>()
  const proxies = new Map<string, Promise<string>>()

  async function listen(server: Server): Promise<number> {
    servers.push(server)
    server.on('connection', (socket) => keep(socket))
    return listenOn(server, 0, '127.0.0.1')
  }

  function keep(socket: Socket): void {
    sockets.add(socket)
    // A browser that is closed in the middle of an answer is no failure of this.
    socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket))
  }

  function pass(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { method = '', url = '', headers } = incoming
    const target = `${headers.host}${url}`
    const [, port] = [...routes].filter(([where]) => target.startsWith(`${where}/`)).toSorted(longest)[0] ?? []
    const address = addresses.get(incoming.socket.remotePort ?? 0)
    if (port === undefined || address === undefined) {
      outgoing.writeHead(502).end(`nothing at ${target}`)
      return
    }
    const forwarded = { ...headers, 'cf-connecting-ip': address, 'x-forwarded-for': address }
    const passed = ask({ host: '127.0.0.1', port, method, path: url, headers: forwarded }, (answer) => {
      const { statusCode: status = 0, rawHeaders } = answer
      exchanges.push({
        from: address,
        method,
        url: `https://${target}`,
        status,
        cookies: answer.headers['set-cookie'] ?? [],
      })
      outgoing.writeHead(status, rawHeaders)
      answer.pipe(outgoing)
    })
    passed.on('error', () => outgoing.destroy())
    incoming.pipe(passed)
  }

  const edge = await listen(createSecureServer({ key: readFileSync(key), cert: readFileSync(certificate) }, pass))

  async function openPlace(address: string): Promise<string> {
    return (await openTraveller(address)).proxy
  }

  async function openTraveller(start: string): Promise<Traveller> {
    let address = start
    const connections = new Set<Socket>()
    const proxy = createServer((_request, response) => response.writeHead(405).end())
    proxy.on('connect', (_request, client: Socket, head) => {
      keep(client)
      connections.add(client)
      client.on('close', () => connections.delete(client))
      const server = connect(edge, '127.0.0.1', () => {
        addresses.set(server.localPort ?? 0, address)
        client.write('HTTP/1.1 200 OK\r\n\r\n')
        server.write(head)
        server.pipe(client).pipe(server)
      })
      keep(server)
    })
    return {
      proxy: `http://127.0.0.1:${await listen(proxy)}`,
      moveTo(next) {
        address = next
        for (const connection of connections) connection.destroy()
      },
    }
  }

  return {
    certificate,
    spki: createHash('sha256').update(publicKey).digest('base64'),
    exchanges,
    route: (where, port) => void routes.set(where, port),
    place(address) {
      const proxy = proxies.get(address) ?? openPlace(address)
      proxies.set(address, proxy)
      return proxy
    },
    traveller: openTraveller,
    async close() {
      for (const server of servers) server.close()
      for (const socket of sockets) socket.destroy()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function longest([a]: readonly [string, number], [b]: readonly [string, number]): number {
  return b.length - a.length
}
