// A square to draw a distribution of points into. Points are kept in whole steps of 1 / 4095 of the side, as the link
// keeps them; what leaves for Python, after each stroke, is the list of them.

const sketches = new WeakMap()
const STEPS = 4095
const SPACING = 0.011 // of the side, between two points of a stroke
const SPREAD = 0.006 // points fall this far beside the stroke, so that a stroke is not a bare line
const ERASER = 0.045
const NUDGE = 0.02 // an arrow key moves the crosshair this far

function redraw(sketch) {
  const { canvas, context, points, cursor } = sketch
  const size = canvas.width
  const style = getComputedStyle(canvas)
  context.clearRect(0, 0, size, size)
  context.strokeStyle = style.color
  context.globalAlpha = 0.15
  for (let k = 1; k < 4; k++) {
    const at = (size * k) / 4
    context.strokeRect(at, -2, 0, size + 4)
    context.strokeRect(-2, at, size + 4, 0)
  }
  context.globalAlpha = 1
  context.fillStyle = "#009E73"
  context.beginPath()
  points.forEach(([x, y]) => {
    const [left, top] = [(x / STEPS) * size, size - (y / STEPS) * size]
    context.moveTo(left + 4, top)
    context.arc(left, top, 4, 0, 2 * Math.PI)
  })
  context.fill()
  if (cursor && document.activeElement && canvas.matches(":focus-visible")) {
    const [left, top] = [cursor[0] * size, size - cursor[1] * size]
    context.beginPath()
    context.moveTo(left - 14, top)
    context.lineTo(left + 14, top)
    context.moveTo(left, top - 14)
    context.lineTo(left, top + 14)
    context.stroke()
  }
  sketch.count.textContent = `${points.length} of ${sketch.most} points`
  sketch.undo.disabled = sketch.past.length === 0
  sketch.clear.disabled = points.length === 0
}

const step = value => Math.round(Math.min(Math.max(value, 0), 1) * STEPS)

function add(sketch, [x, y]) {
  if (sketch.points.length < sketch.most) sketch.points.push([step(x), step(y)])
}

function erase(sketch, [x, y]) {
  sketch.points = sketch.points.filter(([px, py]) => Math.hypot(px / STEPS - x, py / STEPS - y) > ERASER)
}

function scatter([x, y]) {
  const angle = Math.random() * 2 * Math.PI
  const far = Math.sqrt(Math.random()) * SPREAD
  return [x + far * Math.cos(angle), y + far * Math.sin(angle)]
}

function follow(sketch, to) {
  if (sketch.erasing) return erase(sketch, to)
  const [x, y] = sketch.last
  const distance = Math.hypot(to[0] - x, to[1] - y)
  const n = Math.floor(distance / SPACING)
  for (let k = 1; k <= n; k++) add(sketch, scatter([x + ((to[0] - x) * k) / n, y + ((to[1] - y) * k) / n]))
  if (n) sketch.last = to
}

function mount(root) {
  const canvas = root.querySelector(".pad")
  return {
    canvas,
    context: canvas.getContext("2d"),
    count: root.querySelector(".count"),
    undo: root.querySelector(".undo"),
    clear: root.querySelector(".clear"),
    points: [],
    past: [],
    cursor: [0.5, 0.5],
    erasing: false,
    pointer: null,
  }
}

export default function (component) {
  const { data, parentElement, setStateValue } = component
  const root = parentElement.querySelector(".sketch")
  if (!root || !data) return
  if (!sketches.has(root)) sketches.set(root, mount(root))
  const sketch = sketches.get(root)
  const { canvas } = sketch
  sketch.most = data.most
  canvas.setAttribute("aria-label", data.label)
  if (sketch.version !== data.version) {
    // Python put other points here: a link, a file, or nothing.
    sketch.version = data.version
    sketch.points = data.points.map(point => [...point])
    sketch.past = []
  }
  const send = () => {
    redraw(sketch)
    setStateValue("points", sketch.points)
  }
  const remember = () => sketch.past.push(sketch.points.map(point => [...point]))
  const place = event => {
    const box = canvas.getBoundingClientRect()
    return [(event.clientX - box.left) / box.width, 1 - (event.clientY - box.top) / box.height]
  }
  canvas.onpointerdown = event => {
    if (event.button !== 0 || sketch.pointer !== null) return
    canvas.setPointerCapture(event.pointerId)
    sketch.pointer = event.pointerId
    remember()
    sketch.last = place(event)
    sketch.erasing ? erase(sketch, sketch.last) : add(sketch, sketch.last)
    redraw(sketch)
  }
  canvas.onpointermove = event => {
    if (event.pointerId !== sketch.pointer) return
    const moves = event.getCoalescedEvents?.() ?? []
    ;(moves.length ? moves : [event]).forEach(one => follow(sketch, place(one)))
    redraw(sketch)
  }
  canvas.onpointerup = canvas.onpointercancel = event => {
    if (event.pointerId !== sketch.pointer) return
    sketch.pointer = null
    send()
  }
  canvas.onfocus = canvas.onblur = () => redraw(sketch)
  canvas.onkeydown = event => {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }
    if (moves[event.key]) {
      sketch.cursor = sketch.cursor.map((value, k) => Math.min(Math.max(value + moves[event.key][k] * NUDGE, 0), 1))
      redraw(sketch)
    } else if (event.key === " " || event.key === "Enter") {
      remember()
      sketch.erasing ? erase(sketch, sketch.cursor) : add(sketch, sketch.cursor)
      send()
    } else if (event.key === "Delete" || event.key === "Backspace") sketch.clear.click()
    else if (event.key === "z" && (event.ctrlKey || event.metaKey)) sketch.undo.click()
    else return
    event.preventDefault()
  }
  const mode = root.querySelector(".mode")
  mode.onclick = () => {
    sketch.erasing = !sketch.erasing
    mode.setAttribute("aria-pressed", String(sketch.erasing))
    canvas.classList.toggle("erasing", sketch.erasing)
  }
  sketch.undo.onclick = () => {
    sketch.points = sketch.past.pop() ?? sketch.points
    send()
  }
  sketch.clear.onclick = () => {
    remember()
    sketch.points = []
    send()
  }
  redraw(sketch)
}
