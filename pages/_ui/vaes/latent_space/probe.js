// z under the pointer: sliders, a plane of two dimensions, a traversal, a path between two images, new draws.
// Everything is computed here; Python hears where the reader has come to rest, once, and changes only run and epoch.

import { Network } from "../../runtime/network.js"
import { parseSafetensors, valuesOf } from "../../runtime/safetensors.js"
import { Helper } from "../../runtime/worker.js"
import { paintDigits } from "../../runtime/picture.js"
import { seeded } from "../../runtime/random.js"
import { unpack } from "../../runtime/payload.js"
import { rasterise, digitOf, CANVAS } from "../../runtime/drawing.js"

const REACH = 3 // values of z that sliders and plane show, from minus this to plus this
const TRAVERSED = 3
const PICTURES = { traversal: 9, path: 11 }
const DRAWS = { rows: 4, columns: 10 }
const REST_MS = 400 // after the last change Python is told
const SHOWN_SLIDERS = 8
const BRUSH = 24
const COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C6D1F", "#6E6E6E", "#B07AA1", "#86BCB6"]

const away = new Map() // what the reader held when a probe went away with its page, by its beginning
const views = new WeakMap() // one per mounted probe: the function below runs again at every change of data or theme
const clamp = value => Math.min(Math.max(value, -REACH), REACH)
const signed = value => value.toFixed(2).replace("-", "−")

class View {
  constructor(root, start) {
    this.root = root
    this.find = name => root.querySelector(`.${name}`)
    this.begin(start)
    this.helper = new Helper()
    this.all = false
    this.busy = false
    this.listen()
  }

  /** Begin where the address says, or where the reader was who left the page and comes back. */
  begin(start) {
    this.beginning = JSON.stringify(start)
    this.held = away.get(this.beginning) ?? structuredClone(start)
  }

  /** Take over run and epoch: networks, images, labels. What the reader holds stays, where it still fits. */
  adopt(block) {
    const { head, files } = unpack(block)
    const [weights, images] = files
    this.head = head
    for (const part of this.root.children) part.hidden = part.classList.contains("problem")
    const tensors = parseSafetensors(weights)
    this.decoder = new Network(head.decoder, tensors, [head.dimensions])
    this.encoder = head.encoder && new Network(head.encoder, tensors, [head.pixels])
    this.helper.load("decoder", head.decoder, weights, [head.dimensions])
    if (this.held.z.length !== head.dimensions) this.held.z = new Array(head.dimensions).fill(0)
    this.means = this.encoder ? this.encoded(Float32Array.from(images, level => level / 255)) : this.stored(tensors)
    this.fill()
    this.show()
    this.showPath()
    this.showDraws()
  }

  /** The encoder's means of images (values 0 to 1), one after the other. */
  encoded(x) {
    const [both, d] = [this.encoder.forward(x), this.head.dimensions]
    const n = both.length / (2 * d)
    const means = new Float32Array(n * d)
    for (let i = 0; i < n; i++) means.set(both.subarray(2 * d * i, 2 * d * i + d), i * d)
    return means
  }

  /** Means that the run keeps itself, one row an image, log-variances last. */
  stored(tensors) {
    const { rows, dimensions: d } = this.head
    if (!rows) return new Float32Array(0)
    const values = valuesOf(tensors, rows.name, [rows.n, 2 * d])
    const means = new Float32Array(this.head.places.length * d)
    this.head.places.forEach((place, i) => means.set(values.subarray(2 * d * place, 2 * d * place + d), i * d))
    return means
  }

  mean(i) {
    const d = this.head.dimensions
    return this.means.subarray(i * d, (i + 1) * d)
  }

  // ---- the controls' choices, made anew for each run and epoch

  fill() {
    const { order, labels, names } = this.head
    const dimensions = order.map(one => [one, `${one}`])
    for (const name of ["across", "up", "dimension"]) options(this.find(name), dimensions, this.held[name])
    const images = labels.map((label, i) => [i, `${names[label]}, image ${this.head.numbers[i].toLocaleString("en")}`])
    const drawn = this.encoder ? [["drawn", "what you draw"]] : []
    this.root.querySelectorAll(".source").forEach(select => {
      options(select, [...drawn, ...images], this.held[select.dataset.end])
      this.held[select.dataset.end] = select.value === "drawn" ? "drawn" : Number(select.value)
    })
    this.find("between").hidden = !images.length
    this.find("seed").value = this.held.seed
    this.find("spread").value = this.held.spread
    this.fillSliders()
    this.find("about").textContent = this.head.about
  }

  fillSliders() {
    const { order } = this.head
    const shown = this.all ? order : order.slice(0, SHOWN_SLIDERS)
    const list = this.find("list")
    if (list.children.length !== shown.length || this.order !== order.join()) {
      list.replaceChildren(...shown.map(dimension => this.slider(dimension)))
      this.order = order.join()
    }
    const more = this.find("more")
    more.hidden = order.length <= SHOWN_SLIDERS
    more.textContent = this.all ? "Show the most telling only" : `Show all ${order.length}`
  }

  slider(dimension) {
    const label = document.createElement("label")
    const [name, range, value] = ["span", "input", "output"].map(tag => document.createElement(tag))
    Object.assign(range, { type: "range", min: -REACH, max: REACH, step: 0.05 })
    range.setAttribute("aria-label", `Dimension ${dimension} of z`)
    range.dataset.dimension = dimension
    range.oninput = () => this.move({ [dimension]: Number(range.value) })
    name.textContent = `z${dimension}`
    label.append(name, range, value)
    return label
  }

  // ---- what the reader does

  listen() {
    const on = (name, event, act) => this.find(name).addEventListener(event, act)
    on("zero", "click", () => this.place(new Array(this.head.dimensions).fill(0)))
    on("draw", "click", () => this.place([...seeded(Math.floor(Math.random() * 2 ** 32)).normals(this.head.dimensions)].map(clamp)))
    on("more", "click", () => {
      this.all = !this.all
      this.fillSliders()
      this.show()
    })
    for (const name of ["across", "up", "dimension"]) {
      on(name, "change", event => {
        this.held[name] = Number(event.target.value)
        this.show()
        this.rest()
      })
    }
    on("map", "pointerdown", event => {
      if (event.button !== 0) return
      event.preventDefault()
      event.target.focus()
      event.target.setPointerCapture(event.pointerId)
      this.point(event)
    })
    // the digit follows a mouse as it passes over, and a finger or a pen while it is down
    on("map", "pointermove", event => (event.pointerType === "mouse" || event.buttons) && this.point(event))
    on("map", "keydown", event => this.key(event))
    on("seed", "input", event => this.draws({ seed: Math.min(Math.max(Math.trunc(Number(event.target.value)) || 0, 0), 99999) }))
    on("spread", "input", event => this.draws({ spread: Number(event.target.value) }))
    this.root.querySelectorAll(".source").forEach(select => select.addEventListener("change", () => {
      this.held[select.dataset.end] = select.value === "drawn" ? "drawn" : Number(select.value)
      this.showPath()
      this.rest()
    }))
    this.root.querySelectorAll(".pad").forEach(pad => this.listenTo(pad))
  }

  /** What is drawn for one end of the path. */
  strokesOf(end) {
    return ((this.held.strokes ??= {})[end] ??= [])
  }

  listenTo(pad) {
    Object.assign(pad, { width: CANVAS, height: CANVAS })
    const place = event => {
      const box = pad.getBoundingClientRect()
      return [((event.clientX - box.left) * CANVAS) / box.width, ((event.clientY - box.top) * CANVAS) / box.height]
    }
    let down = null
    pad.addEventListener("pointerdown", event => {
      event.preventDefault()
      pad.setPointerCapture(event.pointerId)
      const strokes = this.strokesOf(pad.dataset.end)
      if (event.detail > 1) strokes.length = 0 // a double click begins anew
      down = { width: BRUSH, points: [place(event)] }
      strokes.push(down)
      this.showPath()
    })
    pad.addEventListener("pointermove", event => {
      if (!down) return
      down.points.push(place(event))
      this.later("path", () => this.showPath())
    })
    pad.addEventListener("pointerup", () => (down = null))
    pad.addEventListener("pointercancel", () => (down = null))
  }

  point(event) {
    const box = this.find("map").getBoundingClientRect()
    const share = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]
    const { across, up } = this.held
    this.move({ [up]: clamp((1 - 2 * share[1]) * REACH), [across]: clamp((2 * share[0] - 1) * REACH) })
  }

  key(event) {
    const step = event.shiftKey ? 0.5 : 0.1
    const ways = { ArrowLeft: ["across", -step], ArrowRight: ["across", step], ArrowDown: ["up", -step], ArrowUp: ["up", step] }
    if (!ways[event.key]) return
    event.preventDefault()
    const dimension = this.held[ways[event.key][0]]
    this.move({ [dimension]: clamp(this.held.z[dimension] + ways[event.key][1]) })
  }

  move(values) {
    Object.assign(this.held.z, values)
    this.later("z", () => this.show())
    this.rest()
  }

  place(z) {
    this.held.z = z
    this.show()
    this.rest()
  }

  draws(values) {
    Object.assign(this.held, values)
    this.showDraws()
    this.rest()
  }

  /** Do it once before the next frame, however often it is asked for until then. */
  later(name, act) {
    this.planned ??= new Map()
    if (!this.planned.size) {
      requestAnimationFrame(() => {
        const acts = [...this.planned.values()]
        this.planned.clear()
        acts.forEach(one => one())
      })
    }
    this.planned.set(name, act)
  }

  /** Tell Python, once nothing has changed for a moment. */
  rest() {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => {
      const { z, across, up, dimension, from, to, seed, spread } = this.held
      this.say("rest", { z: z.map(value => Math.round(value * 1000) / 1000), across, up, dimension, from, to, seed, spread })
    }, REST_MS)
  }

  close() {
    clearTimeout(this.timer)
    away.set(this.beginning, this.held)
    this.helper.close()
  }

  // ---- pictures

  show() {
    const { z, across, up } = this.held
    const picture = this.decoder.forward(Float32Array.from(z))
    paintDigits(this.find("digit"), picture)
    const words = `z${across} = ${signed(z[across])}, z${up} = ${signed(z[up])}`
    this.find("said").textContent = words
    this.find("digit").setAttribute("aria-label", `The digit that z decodes to; ${words}`)
    this.root.querySelectorAll(".list input").forEach(range => {
      const value = z[range.dataset.dimension]
      range.value = value
      range.nextElementSibling.textContent = signed(value)
    })
    this.showPlane()
    this.showTraversal()
  }

  showPlane() {
    const canvas = this.find("map")
    const side = Math.max(Math.round(canvas.clientWidth * devicePixelRatio), 1)
    if (canvas.width !== side) canvas.width = canvas.height = side
    const { across, up, z } = this.held
    canvas.setAttribute("aria-label", `Plane of dimensions ${across} and ${up}; arrow keys move z, with shift faster`)
    const context = canvas.getContext("2d")
    const at = (x, y) => [((clamp(x) / REACH + 1) / 2) * side, ((1 - clamp(y) / REACH) / 2) * side]
    context.clearRect(0, 0, side, side)
    const ink = getComputedStyle(canvas).color
    context.strokeStyle = ink
    context.globalAlpha = 0.25
    context.beginPath()
    for (const [from, to] of [[at(-REACH, 0), at(REACH, 0)], [at(0, -REACH), at(0, REACH)]]) {
      context.moveTo(...from)
      context.lineTo(...to)
    }
    context.stroke()
    context.globalAlpha = 0.8
    context.font = `${Math.round(11 * devicePixelRatio)}px sans-serif`
    context.textAlign = "center"
    context.textBaseline = "middle"
    this.head.labels.forEach((label, i) => {
      const mean = this.mean(i)
      context.fillStyle = COLOURS[label % COLOURS.length]
      context.fillText(label, ...at(mean[across], mean[up]))
    })
    context.globalAlpha = 1
    context.lineWidth = 2 * devicePixelRatio
    context.beginPath()
    context.arc(...at(z[across], z[up]), 7 * devicePixelRatio, 0, 2 * Math.PI)
    context.stroke()
  }

  async decode(topic, zs, canvas, columns, words) {
    try {
      const pictures = await this.helper.ask("forward", { network: "decoder", x: Float32Array.from(zs.flat()), n: zs.length }, { topic })
      if (!pictures) return // a newer one is under way
      paintDigits(canvas, pictures, columns)
      const whole = Math.max(1, Math.min(3, Math.floor(this.root.clientWidth / canvas.width)))
      canvas.style.width = `${canvas.width * whole}px`
      canvas.setAttribute("aria-label", words)
    } catch (error) {
      refuse(this.root, error)
    }
  }

  showTraversal() {
    const { z, dimension } = this.held
    const zs = Array.from({ length: PICTURES.traversal }, (_, i) => {
      const one = [...z]
      one[dimension] = TRAVERSED * ((2 * i) / (PICTURES.traversal - 1) - 1)
      return one
    })
    this.decode("traversal", zs, this.find("traversal"), PICTURES.traversal, `Images while dimension ${dimension} moves from −3 to 3`)
  }

  /** z of one end of the path; null while its pad is blank. */
  end(name) {
    const pad = this.root.querySelector(`.pad[data-end="${name}"]`)
    const chosen = this.held[name]
    pad.hidden = chosen !== "drawn"
    if (chosen !== "drawn") return [...this.mean(chosen)]
    const strokes = this.strokesOf(name)
    const ink = rasterise(strokes)
    const context = pad.getContext("2d")
    const picture = context.createImageData(CANVAS, CANVAS)
    ink.forEach((level, i) => picture.data.set([level, level, level, 255], 4 * i))
    context.putImageData(picture, 0, 0)
    const digit = digitOf(strokes)
    return digit && [...this.encoded(Float32Array.from(digit, level => level / 255))]
  }

  showPath() {
    if (!this.head.labels.length) return
    const [from, to] = ["from", "to"].map(name => this.end(name))
    this.find("path").hidden = !from || !to
    if (!from || !to) return
    const zs = Array.from({ length: PICTURES.path }, (_, i) => from.map((value, d) => value + ((to[d] - value) * i) / (PICTURES.path - 1)))
    this.decode("path", zs, this.find("path"), PICTURES.path, "Images on the straight line between the two in z")
  }

  showDraws() {
    const { seed, spread } = this.held
    const random = seeded(seed)
    const n = DRAWS.rows * DRAWS.columns
    const zs = Array.from({ length: n }, () => [...random.normals(this.head.dimensions)].map(value => value * spread))
    this.find("spread").nextElementSibling.textContent = spread.toFixed(1)
    this.decode("draws", zs, this.find("draws"), DRAWS.columns, `${n} images drawn with seed ${seed}`)
  }
}

/** Say in place what is wrong; the rest of the page goes on. */
function refuse(root, error) {
  for (const part of root.children) part.hidden = !part.classList.contains("problem")
  root.querySelector(".problem").textContent = error.message
}

function options(select, choices, chosen) {
  select.replaceChildren(...choices.map(([value, words]) => new Option(words, value)))
  select.value = String(chosen)
  if (select.selectedIndex < 0) select.selectedIndex = 0
}

export default function (component) {
  const { data, parentElement, setStateValue } = component
  const root = parentElement.querySelector(".latent")
  const { head } = unpack(data)
  if (!views.has(root)) views.set(root, new View(root, head.start))
  const view = views.get(root)
  view.say = setStateValue
  try {
    const moved = view.beginning !== JSON.stringify(head.start)
    if (moved) view.begin(head.start)
    if (moved || view.id !== head.id) view.adopt(data)
    else view.showPlane() // the theme may have changed
    view.id = head.id
  } catch (error) {
    refuse(root, error)
  }
  return () => setTimeout(() => root.isConnected || view.close()) // it also runs before every change of data
}
