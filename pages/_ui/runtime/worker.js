// Heavy work off the page: a Web Worker made of the runtime's own source, which computes what it is asked, newest first.

import { Network } from "./network.js"
import { Problem } from "./safetensors.js"

/** What can be asked, by name: a function of (networks, args), networks.get(name) being one, or a generator that yields what is known so far.
 *  A chapter adds its own in a module that its component imports: JOBS.name = function* (networks, args) {...}. */
export const JOBS = {
  forward: (networks, { network, x, n }) => networks.get(network).forward(x, n),
  gradient: (networks, { network, x, weights, n }) => networks.get(network).gradient(x, weights, n),
}

const turn = () => new Promise(done => setTimeout(done)) // lets messages in between two steps

/** Answer what comes through a port: the worker's own global, or one end of a channel where there is no worker. */
export function serve(port) {
  const loaded = new Map() // a network, or what is wrong with it
  const networks = {
    get(name) {
      const found = loaded.get(name) ?? `There is no network “${name}”: reload the page.`
      if (found instanceof Network) return found
      throw new Problem(found)
    },
  }
  const newest = new Map() // per job and topic, the id of the last request: older ones end at their next step
  port.onmessage = async ({ data }) => {
    try {
      if (data.load) loaded.set(data.load, new Network(data.layers, data.file, data.shape))
      else await answer(data)
    } catch (error) {
      const problem = error instanceof Problem ? error.message : `The computation failed: ${error.message}`
      if (data.load) loaded.set(data.load, problem) // said when it is asked for
      else port.postMessage({ id: data.id, problem })
    }
  }
  async function answer({ id, job, topic, args }) {
    newest.set(topic, id)
    await turn() // a newer request that waits already makes this one needless
    if (newest.get(topic) !== id) return port.postMessage({ id, outdated: true })
    const work = JOBS[job](networks, args)
    if (typeof work?.next !== "function") return port.postMessage({ id, result: work })
    for (let step = work.next(); ; step = work.next()) {
      port.postMessage({ id, result: step.value, more: !step.done })
      if (step.done) return
      await turn()
      if (newest.get(topic) !== id) return port.postMessage({ id, outdated: true })
    }
  }
}

/** The page's end of it. Networks are loaded once; what is asked about one topic replaces what was asked before. */
export class Helper {
  constructor(source = typeof WORKER_SOURCE === "string" ? WORKER_SOURCE : null) {
    this.waiting = new Map()
    this.last = 0
    this.port = source === null ? this.onPage() : this.inWorker(source)
    this.port.onmessage = ({ data }) => this.hear(data)
  }

  inWorker(source) {
    this.url = URL.createObjectURL(new Blob([`${source}\nserve(self)`], { type: "text/javascript" }))
    this.worker = new Worker(this.url)
    this.worker.onerror = event => this.fail(`The computation failed: ${event.message}`)
    return this.worker
  }

  onPage() {
    const { port1, port2 } = new MessageChannel()
    serve(port2)
    this.channel = port1
    return port1
  }

  /** Give the worker a network by name; its file is copied. */
  load(name, layers, file, shape) {
    this.port.postMessage({ load: name, layers, file, shape })
  }

  /** Ask for a job; onProgress(result) hears what a generator yields. Resolves to the last result, or to undefined where
   *  a later request about the same topic made this one needless. */
  ask(job, args, { topic = job, onProgress = () => {} } = {}) {
    const id = ++this.last
    this.port.postMessage({ id, job, topic, args })
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject, onProgress }))
  }

  hear({ id, result, more, outdated, problem }) {
    const request = this.waiting.get(id)
    if (!request) return
    if (more) return request.onProgress(result)
    this.waiting.delete(id)
    if (problem) request.reject(new Problem(problem))
    else request.resolve(outdated ? undefined : result)
  }

  fail(words) {
    this.waiting.forEach(({ reject }) => reject(new Problem(words)))
    this.waiting.clear()
  }

  /** End the worker; nothing that was asked will be answered. */
  close() {
    this.worker?.terminate()
    if (this.url) URL.revokeObjectURL(this.url)
    this.channel?.close()
    this.waiting.clear()
  }
}
