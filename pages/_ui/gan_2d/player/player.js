// The player of a 2-D GAN's film. All frames live here, in the browser: playing and scrubbing ask the server nothing.
// shared.js, transport.js, packing.js, film.js and picture.js stand before this file when it is sent: a component is one
// script.

const players = new WeakMap() // one per mounted component: this module's function runs again at every new data or theme
const LAYERS = [
  ["field", "Decision field"],
  ["real", "Real points"],
  ["generated", "Generated points"],
  ["arrows", "Gradient arrows"],
  ["manifold", "Noise manifold"],
]
const ASK_MS = 1500 // frames that are lacking are asked for this often

function buildMeasure(spec) {
  const box = make("div", "measure")
  const label = make("span", "label", spec.label)
  if (spec.series.length > 1) {
    spec.series.forEach(one => {
      const key = make("span", "key")
      key.style.background = one.colour
      label.append(key, one.name)
    })
  }
  const value = make("span", "value")
  const canvas = make("canvas")
  canvas.setAttribute("aria-hidden", "true")
  box.append(label, value, canvas)
  return { ...spec, box, value, canvas }
}

function buildPane(pane) {
  const box = make("section", "pane")
  const name = make("p", "name", pane.title)
  const about = make("small", "", pane.subtitle)
  name.append(" ", about)
  const picture = make("div", "picture")
  const canvas = make("canvas")
  canvas.setAttribute("role", "img")
  const scale = make("div", "scale")
  const bar = make("i")
  scale.append(make("span", "", pane.scale[0]), bar, make("span", "", pane.scale[2]), make("b", "", pane.scale[1]))
  picture.append(canvas, scale)
  const side = make("div", "side")
  const words = make("ul", "words")
  const measures = pane.measures.map(buildMeasure)
  side.append(words, ...measures.map(one => one.box))
  box.append(name, picture, side)
  return { dom: { box, canvas, bar, words, about }, measures }
}

function build(player) {
  const holder = player.root.querySelector(".panes")
  holder.dataset.count = String(player.panes.length)
  player.panes.forEach(pane => {
    const { dom, measures } = buildPane(pane)
    pane.dom = dom
    pane.measures = measures
  })
  holder.replaceChildren(...player.panes.map(pane => pane.dom.box))
  player.sizes?.disconnect()
  player.sizes = new ResizeObserver(() => fit(player))
  player.panes.forEach(pane => player.sizes.observe(pane.dom.canvas))
  fit(player)
}

function fit(player) {
  const density = Math.min(window.devicePixelRatio || 1, 2)
  const resize = (canvas, width, height) => {
    if (width > 0 && (canvas.width !== width || canvas.height !== height)) Object.assign(canvas, { width, height })
  }
  player.panes.forEach(pane => {
    const side = Math.round(pane.dom.canvas.clientWidth * density)
    resize(pane.dom.canvas, side, side)
    pane.measures.forEach(({ canvas }) =>
      resize(canvas, Math.round(canvas.clientWidth * density), Math.round(canvas.clientHeight * density)),
    )
  })
  player.bar.draw()
}

function dress(player) {
  const style = getComputedStyle(player.root)
  player.dark = isDark(player.parent)
  player.colours = palette(player.dark)
  player.text = style.color
  player.primary = style.getPropertyValue("--st-primary-color").trim() || "#0072B2"
  player.panes.forEach(pane => {
    pane.dom.bar.style.background = `linear-gradient(90deg, ${css(player, 0)}, ${css(player, 128)}, ${css(player, 255)})`
  })
}

function frameOf(pane, step) {
  // Panes share one clock, the training step: each shows its last frame at or before it.
  let [low, high] = [0, pane.frames.length - 1]
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (pane.frames[middle].step <= step) low = middle
    else high = middle - 1
  }
  return low
}

// Draws a place of the clock; the bar calls it, and whoever changes anything else calls the bar's draw().
function draw(player, at) {
  const lead = player.panes[0]
  if (!lead?.frames.length || !player.colours) return
  const { step } = lead.frames[at]
  player.panes.forEach((pane, number) => {
    const index = number ? frameOf(pane, step) : at
    const frame = pane.frames[index]
    drawPicture(player, pane, frame)
    pane.measures.forEach(measure => drawMeasure(player, pane, measure, index))
    const said = `${index}:${pane.frames.length}`
    if (pane.said !== said) {
      pane.said = said
      const warnings = pane.warnings[index].map(text => make("li", "warning", `⚠ ${text}`))
      pane.dom.words.replaceChildren(...warnings, ...pane.words[index].map(text => make("li", "", text)))
      pane.dom.canvas.setAttribute("aria-label", `${pane.title}, step ${frame.step}. ${pane.words[index].join(" ")}`)
    }
  })
  player.root.dataset.frame = String(at)
  player.root.dataset.frames = String(lead.frames.length)
  player.root.dataset.step = String(step)
}

function words(player, at) {
  const { frames } = player.panes[0]
  const last = frames.length - 1
  const { step } = frames[at]
  return [`frame ${at} of ${last}, step ${step}`, `frame ${at} of ${last} · step ${step.toLocaleString("en")}`]
}

function rest(player, at) {
  player.root.dataset.told = String(at)
  player.send("frame", { id: player.id, frame: at, of: player.panes[0].frames.length })
}

function wire(player) {
  const { root } = player
  const boxes = LAYERS.map(([name, label]) => {
    const box = Object.assign(make("input"), { type: "checkbox", name, checked: player.layers.has(name) })
    box.onchange = () => {
      box.checked ? player.layers.add(name) : player.layers.delete(name)
      player.bar.draw()
      player.send("layers", LAYERS.map(([one]) => one).filter(one => player.layers.has(one)).join("-") || "none")
    }
    const row = make("label")
    row.append(box, make("span", `swatch ${name}`), label)
    return row
  })
  const fieldset = root.querySelector(".layers")
  fieldset.replaceChildren(fieldset.querySelector("legend"), ...boxes)
}

function mount(parent, root, head) {
  const player = { parent, root, panes: [], asked: -Infinity, layers: new Set(head.layers) }
  player.bar = new Transport(root, {
    speeds: head.speeds,
    speed: head.speed,
    draw: at => draw(player, at),
    words: at => words(player, at),
    rest: at => rest(player, at),
    chosen: speed => player.send("speed", speed),
  })
  wire(player)
  return player
}

function replace(player, head) {
  player.id = head.id
  player.asked = -Infinity
  player.panes = head.panes
  const { length } = player.panes[0].frames
  const at = head.at ?? length - 1
  player.bar.grow(length, at) // building draws, at a place that there is
  build(player)
  player.bar.hold(length, at)
}

function missing(player, head) {
  // A live training sends what is new since `first`; a message may have been lost, or this player may be a new one.
  const have = player.id === head.id ? Math.min(...player.panes.map(pane => pane.frames.length)) : 0
  clearTimeout(player.asking)
  if (head.first <= have) return false
  const ask = () => {
    player.asked = performance.now()
    player.trigger("resync", { id: player.id, has: have })
    player.asking = setTimeout(ask, ASK_MS) // the answer may be lost as well
  }
  const wait = player.asked + ASK_MS - performance.now()
  if (wait > 0) player.asking = setTimeout(ask, wait)
  else ask()
  return true
}

function append(player, head) {
  player.asked = -Infinity
  head.panes.forEach((fresh, number) => {
    const pane = player.panes[number]
    for (const list of ["frames", "words", "warnings"]) pane[list].splice(head.first, Infinity, ...fresh[list])
    fresh.measures.forEach((measure, k) =>
      measure.series.forEach((one, s) => pane.measures[k].series[s].values.splice(head.first, Infinity, ...one.values)),
    )
    pane.dom.about.textContent = fresh.subtitle
    pane.said = null
  })
  const { bar } = player
  const follows = bar.at === bar.end && !bar.playing
  bar.grow(player.panes[0].frames.length, follows ? Infinity : bar.at)
  if (follows) bar.told = bar.at
}

export default function (component) {
  const { data, parentElement, setStateValue, setTriggerValue } = component
  const root = parentElement.querySelector(".player")
  if (!root || !data?.length) return
  const sameBytes = players.get(root)?.data === data
  const head = sameBytes ? null : readBundle(data)
  if (!players.has(root)) players.set(root, mount(parentElement, root, head))
  const player = players.get(root)
  player.data = data
  player.send = setStateValue
  player.trigger = setTriggerValue
  if (head) {
    const mark = `${head.id}/${head.first}/${head.total}`
    if (!missing(player, head)) {
      if (head.id !== player.id) replace(player, head)
      else if (player.mark !== mark) append(player, head)
      player.mark = mark
    }
  }
  dress(player)
  player.bar.draw()
  return () => {
    player.bar.close()
    clearTimeout(player.asking)
    player.sizes?.disconnect()
    players.delete(root)
  }
}
