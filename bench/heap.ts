/**
 * The live JavaScript heap of a Worker's isolate: what a garbage collection leaves. The memory of the whole process holds
 * the local D1 besides, and heaps that V8 has not collected yet. WebAssembly is in neither V8's figure nor this one.
 */

/** What V8 says of a heap, in bytes. */
interface HeapUsage {
  readonly usedSize: number
  readonly embedderHeapUsedSize: number
  readonly backingStorageSize: number
}

export interface Heap {
  /** MiB that are alive. `touch` sends a few requests: the isolate collects when it is next entered. */
  readonly liveMiB: (touch: () => Promise<unknown>) => Promise<number>
  readonly close: () => void
}

/** Connects to the inspector of a workerd and picks the isolate of the Worker `name`. */
export async function inspectHeap(inspectorPort: number, name: string): Promise<Heap> {
  const response = await fetch(`http://127.0.0.1:${inspectorPort}/json`)
  const targets = (await response.json()) as { readonly id: string; readonly webSocketDebuggerUrl: string }[]
  const target = targets.find(({ id }) => id === `core:user:${name}`)
  if (target === undefined) throw new Error(`no isolate of ${name} to inspect`)
  const socket = new WebSocket(target.webSocketDebuggerUrl)
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve)
    socket.addEventListener('error', () => reject(new Error(`no inspector on port ${inspectorPort}`)))
  })

  let sent = 0
  const waiting = new Map<number, (result: unknown) => void>()
  socket.addEventListener('message', ({ data }) => {
    const { id, result } = JSON.parse(String(data)) as { id?: number; result?: unknown }
    if (id === undefined) return
    waiting.get(id)?.(result)
    waiting.delete(id)
  })
  function command(method: string): Promise<unknown> {
    sent += 1
    const id = sent
    socket.send(JSON.stringify({ id, method, params: {} }))
    return new Promise((resolve) => waiting.set(id, resolve))
  }

  return {
    async liveMiB(touch) {
      // Garbage is collected twice, since the second collection frees what the first one finalized.
      for (let i = 0; i < 2; i += 1) {
        const collected = command('HeapProfiler.collectGarbage')
        await touch()
        await collected
      }
      const usage = (await command('Runtime.getHeapUsage')) as HeapUsage
      return (usage.usedSize + usage.embedderHeapUsedSize + usage.backingStorageSize) / 2 ** 20
    },
    close: () => socket.close(),
  }
}
