// The player of a 2-D GAN's film. All frames live here, in the browser: playing and scrubbing ask the server nothing.
// film.js and picture.js stand before this file when it is sent: a component is one script.

const players = new WeakMap() // one per mounted component: this module's function runs again at every new data or theme
const LAYERS = [
  ["field", "Decision field"],
  ["real", "Real points"],
  ["generated", "Generated points"],
  ["arrows", "Gradient arrows"],
  ["manifold", "Noise manifold"],
]
const SPEEDS = [5, 10, 20, 30, 60]
const SETTLE_MS = 350 // after the last move, the place is written into the link
const ASK_MS = 1500 // frames that are lacking are asked for this often

const make = (name, className, text) => {
  const element = document.createElement(name)
  if (className) element.className = className
  if (text !== undefined) element.textContent = text
  return element
}

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
  draw(player)
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

function draw(player) {
  const lead = player.panes[0]
  if (!lead?.frames.length || !player.colours) return
  player.at = Math.max(0, Math.min(player.at, lead.frames.length - 1))
  const { step } = lead.frames[player.at]
  player.panes.forEach((pane, number) => {
    const index = number ? frameOf(pane, step) : player.at
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
  const last = lead.frames.length - 1
  const { time, clock, play } = player.controls
  if (time.max !== String(last)) time.max = String(last)
  if (time.value !== String(player.at)) time.value = String(player.at)
  time.setAttribute("aria-valuetext", `frame ${player.at} of ${last}, step ${step}`)
  clock.textContent = `frame ${player.at} of ${last} · step ${step.toLocaleString("en")}`
  if (play.dataset.playing !== String(player.playing)) {
    play.dataset.playing = String(player.playing)
    play.setAttribute("aria-label", player.playing ? "Pause" : "Play")
    play.querySelector("span").textContent = player.playing ? "Pause" : "Play"
    play.querySelector("path").setAttribute("d", player.playing ? "M6 5h4v14H6zM14 5h4v14h-4z" : "M8 5v14l11-7z")
  }
  player.root.dataset.frame = String(player.at)
  player.root.dataset.frames = String(lead.frames.length)
  player.root.dataset.step = String(step)
}

function settle(player) {
  clearTimeout(player.timer)
  player.timer = setTimeout(() => {
    if (player.playing || player.told === player.at) return
    player.told = player.at
    player.root.dataset.told = String(player.at)
    player.send("frame", { id: player.id, frame: player.at, of: player.panes[0].frames.length })
  }, SETTLE_MS)
}

function go(player, to) {
  if (!player.panes.length) return
  const last = player.panes[0].frames.length - 1
  player.at = Math.max(0, Math.min(to, last))
  player.follows = player.at === last
  if (!player.queued) {
    player.queued = true
    requestAnimationFrame(() => {
      player.queued = false
      draw(player)
    })
  }
  settle(player)
}

function setPlaying(player, playing) {
  if (!player.panes.length) return
  player.playing = playing
  const last = player.panes[0].frames.length - 1
  if (playing && player.at >= last) player.at = 0
  let before = performance.now()
  let owed = 0
  const tick = now => {
    if (!player.playing || !player.root.isConnected) return
    owed += ((now - before) / 1000) * player.speed
    before = now
    const steps = Math.floor(owed)
    if (steps) {
      owed -= steps
      player.at = Math.min(player.at + steps, player.panes[0].frames.length - 1)
      if (player.at >= player.panes[0].frames.length - 1) player.playing = false
      draw(player)
      if (!player.playing) settle(player)
    }
    if (player.playing) requestAnimationFrame(tick)
  }
  draw(player)
  if (playing) requestAnimationFrame(tick)
  else settle(player)
}

function wire(player) {
  const { root, controls } = player
  controls.speed.replaceChildren(
    ...SPEEDS.map(speed => Object.assign(make("option", "", `${speed} frames/s`), { value: String(speed) })),
  )
  controls.speed.value = String(player.speed)
  controls.speed.onchange = () => {
    player.speed = Number(controls.speed.value)
    player.send("speed", player.speed)
  }
  controls.time.oninput = () => {
    player.playing = false
    go(player, Number(controls.time.value))
  }
  controls.play.onclick = () => setPlaying(player, !player.playing)
  const jump = to => () => {
    player.playing = false
    go(player, to())
  }
  root.querySelector(".first").onclick = jump(() => 0)
  root.querySelector(".back").onclick = jump(() => player.at - 1)
  root.querySelector(".forward").onclick = jump(() => player.at + 1)
  root.querySelector(".last").onclick = jump(() => Infinity)
  root.onkeydown = event => {
    if (event.key !== " " || ["SELECT", "BUTTON"].includes(event.target.tagName) || event.target.type === "checkbox") return
    event.preventDefault()
    setPlaying(player, !player.playing)
  }
  const boxes = LAYERS.map(([name, label]) => {
    const box = Object.assign(make("input"), { type: "checkbox", name, checked: player.layers.has(name) })
    box.onchange = () => {
      box.checked ? player.layers.add(name) : player.layers.delete(name)
      draw(player)
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
  const player = {
    parent,
    root,
    panes: [],
    at: 0,
    asked: -Infinity,
    told: null,
    playing: false,
    follows: true,
    speed: SPEEDS.includes(head.speed) ? head.speed : 20,
    layers: new Set(head.layers),
    controls: Object.fromEntries(["play", "time", "clock"].map(name => [name, root.querySelector(`.${name}`)])),
  }
  player.controls.speed = root.querySelector(".speed select")
  wire(player)
  return player
}

function replace(player, head) {
  player.id = head.id
  player.asked = -Infinity
  player.panes = head.panes
  player.playing = false
  build(player)
  player.at = head.at ?? player.panes[0].frames.length - 1
  player.told = player.at
  player.follows = head.live || player.at === player.panes[0].frames.length - 1
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
  if (player.follows && !player.playing) player.at = player.told = player.panes[0].frames.length - 1
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
  draw(player)
  return () => {
    player.playing = false
    clearTimeout(player.timer)
    clearTimeout(player.asking)
    player.sizes?.disconnect()
    players.delete(root)
  }
}
