// A pad to draw on with white ink. The strokes are the drawing: they are kept, undone and sent to Python, which makes the
// picture from them. The canvas only shows them and is never read back, because some browsers answer that with noise.

const pads = new WeakMap() // one entry per mounted canvas: this function runs again at every change of data or theme
const CLOSEST = 1 // canvas units between two points of a stroke
const NUDGE = 7 // an arrow key moves the pen this far

function repaint(pad) {
  const { context, canvas } = pad
  context.fillStyle = "#000"
  context.fillRect(0, 0, canvas.width, canvas.height)
  pad.strokes.forEach(stroke => paint(pad, stroke))
  if (pad.pen && canvas.matches(":focus-visible")) {
    context.strokeStyle = pad.down ? "#E69F00" : "#56B4E9"
    context.lineWidth = 2
    context.beginPath()
    context.arc(...pad.pen, Number(pad.brush.value) / 2, 0, 2 * Math.PI)
    context.stroke()
  }
}

function paint(pad, { width, points }) {
  const { context } = pad
  const [first, ...rest] = points
  context.strokeStyle = context.fillStyle = "#fff"
  context.lineCap = context.lineJoin = "round"
  context.lineWidth = width
  context.beginPath()
  context.arc(...first, width / 2, 0, 2 * Math.PI) // a tap leaves a dot: a line without length would leave nothing
  context.fill()
  context.beginPath()
  context.moveTo(...first)
  rest.forEach(point => context.lineTo(...point))
  context.stroke()
}

// What a refresh of the browser would lose is kept by the tab. Some browsers refuse that: then it is lost.
const shelf = {
  put: (name, strokes) => {
    try {
      strokes.length ? sessionStorage.setItem(name, JSON.stringify(strokes)) : sessionStorage.removeItem(name)
    } catch {}
  },
  take: name => {
    try {
      return JSON.parse(sessionStorage.getItem(name)) ?? []
    } catch {
      return []
    }
  },
}

function room(pad) {
  const used = pad.strokes.reduce((sum, stroke) => sum + stroke.points.length, 0)
  return pad.strokes.length < pad.limits.strokes && used < pad.limits.points
}

function begin(pad, point) {
  if (!room(pad)) return null
  pad.strokes.push({ width: Number(pad.brush.value), points: [point] })
  return pad.strokes.at(-1)
}

function extend(pad, stroke, [x, y]) {
  const [lastX, lastY] = stroke.points.at(-1)
  if (Math.hypot(x - lastX, y - lastY) >= CLOSEST && room(pad)) stroke.points.push([x, y])
}

function mount(root, data) {
  const canvas = root.querySelector(".pad")
  canvas.width = canvas.height = data.size
  const pad = {
    canvas,
    context: canvas.getContext("2d"),
    brush: root.querySelector(".brush input"),
    undo: root.querySelector(".undo"),
    clear: root.querySelector(".clear"),
    limits: data.limits,
    strokes: [],
    current: null, // the stroke that is being drawn, with the pointer that draws it
    pen: null, // where the keyboard's pen is, once an arrow key was pressed
    down: null, // the stroke that it draws
  }
  pad.brush.value = data.brush
  return pad
}

export default function (component) {
  const { data, parentElement, setStateValue } = component
  const root = parentElement.querySelector(".draw")
  if (!root || !data) return
  const fresh = !pads.has(root)
  if (fresh) pads.set(root, mount(root, data))
  const pad = pads.get(root)
  const { canvas, brush, undo, clear } = pad
  root.style.setProperty("--side", `${data.size}px`)
  canvas.setAttribute("aria-label", data.label)

  const show = () => {
    repaint(pad)
    undo.disabled = clear.disabled = pad.strokes.length === 0
  }
  const send = () => {
    show()
    shelf.put(data.shelf, pad.strokes)
    setStateValue("strokes", pad.strokes)
  }
  const place = event => {
    const box = canvas.getBoundingClientRect()
    const units = (at, start, length) => Math.round(Math.min(Math.max((at - start) / length, -0.5), 1.5) * data.size * 10) / 10
    return [units(event.clientX, box.left, box.width), units(event.clientY, box.top, box.height)]
  }

  canvas.onpointerdown = event => {
    if (event.button !== 0 || pad.current) return
    canvas.setPointerCapture(event.pointerId)
    const stroke = begin(pad, place(event))
    if (stroke) pad.current = { id: event.pointerId, stroke }
    show()
  }
  canvas.onpointermove = event => {
    if (event.pointerId !== pad.current?.id) return
    const steps = event.getCoalescedEvents?.() ?? []
    ;(steps.length ? steps : [event]).forEach(one => extend(pad, pad.current.stroke, place(one)))
    show()
  }
  canvas.onpointerup = canvas.onpointercancel = event => {
    if (event.pointerId !== pad.current?.id) return
    pad.current = null
    send()
  }
  const lift = () => {
    if (!pad.down) return
    pad.down = null
    send()
  }
  const move = (x, y) => {
    pad.pen ??= [data.size / 2, data.size / 2]
    pad.pen = [pad.pen[0] + x * NUDGE, pad.pen[1] + y * NUDGE].map(value => Math.min(Math.max(value, 0), data.size))
    if (pad.down) extend(pad, pad.down, pad.pen)
    show()
  }
  const dip = () => {
    if (pad.down) return lift()
    pad.pen ??= [data.size / 2, data.size / 2]
    pad.down = begin(pad, pad.pen)
    show()
  }
  const keys = {
    ArrowLeft: () => move(-1, 0),
    ArrowRight: () => move(1, 0),
    ArrowUp: () => move(0, -1),
    ArrowDown: () => move(0, 1),
    " ": dip,
    Enter: dip,
    Delete: () => clear.click(),
    Backspace: () => clear.click(),
  }
  canvas.onkeydown = event => {
    const undoing = event.key === "z" && (event.ctrlKey || event.metaKey)
    const act = undoing ? () => undo.click() : keys[event.key]
    if (!act || (!undoing && (event.ctrlKey || event.metaKey || event.altKey))) return
    event.preventDefault()
    act()
  }
  canvas.onfocus = show
  canvas.onblur = () => {
    lift()
    show()
  }
  undo.onclick = () => {
    pad.down = null
    pad.strokes.pop()
    send()
  }
  clear.onclick = () => {
    pad.down = null
    pad.strokes = []
    send()
  }

  if (fresh) {
    pad.strokes = data.strokes // the reader comes back to a page with a drawing on it
    if (!pad.strokes.length && data.first) {
      pad.strokes = shelf.take(data.shelf) // or to a new session, after a refresh
      if (pad.strokes.length) return send()
    }
  }
  show()
}
