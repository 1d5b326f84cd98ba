// A canvas to draw on with white ink. Strokes are kept as lists of points, so that they can be undone and redrawn;
// what leaves for Python is the finished picture, after each stroke.

const pads = new WeakMap() // one entry per mounted canvas: this function runs again at every change of data or theme

function repaint(pad) {
  const { context, canvas } = pad
  context.fillStyle = "#000"
  context.fillRect(0, 0, canvas.width, canvas.height)
  if (pad.base) context.drawImage(pad.base, 0, 0)
  pad.strokes.forEach(stroke => paint(pad, stroke))
}

function paint(pad, stroke) {
  const { context } = pad
  context.strokeStyle = context.fillStyle = "#fff"
  context.lineCap = context.lineJoin = "round"
  context.lineWidth = stroke.width
  context.beginPath()
  const [first, ...rest] = stroke.points
  context.moveTo(first.x, first.y)
  if (rest.length === 0) context.lineTo(first.x, first.y) // a tap leaves a dot
  rest.forEach(point => context.lineTo(point.x, point.y))
  context.stroke()
}

function adopt(pad, source) {
  const image = new Image()
  image.onload = () => {
    pad.base = image
    repaint(pad)
    pad.refresh()
  }
  image.src = source
}

function mount(canvas, data) {
  canvas.width = canvas.height = data.size
  const pad = { canvas, context: canvas.getContext("2d"), strokes: [], base: null, current: null, refresh: () => {} }
  repaint(pad)
  if (data.image) adopt(pad, data.image) // the reader comes back to a page with a drawing on it
  return pad
}

export default function (component) {
  const { data, parentElement, setStateValue } = component
  const root = parentElement.querySelector(".draw")
  const canvas = parentElement.querySelector(".pad")
  const brush = parentElement.querySelector(".brush input")
  const undo = parentElement.querySelector(".undo")
  const clear = parentElement.querySelector(".clear")

  const fresh = !pads.has(canvas)
  if (fresh) {
    pads.set(canvas, mount(canvas, data))
    brush.value = data.brush
  }
  const pad = pads.get(canvas)
  root.style.setProperty("--side", `${data.size}px`)
  canvas.setAttribute("aria-label", data.label)

  pad.refresh = () => {
    undo.disabled = pad.strokes.length === 0
    clear.disabled = pad.strokes.length === 0 && !pad.base
  }
  const send = () => {
    pad.refresh()
    const blank = pad.strokes.length === 0 && !pad.base
    setStateValue("image", blank ? "" : canvas.toDataURL("image/png"))
  }
  const place = event => {
    const box = canvas.getBoundingClientRect()
    return { x: ((event.clientX - box.left) * canvas.width) / box.width, y: ((event.clientY - box.top) * canvas.height) / box.height }
  }

  canvas.onpointerdown = event => {
    if (event.button !== 0 || pad.current) return
    event.preventDefault()
    canvas.setPointerCapture(event.pointerId)
    pad.current = { id: event.pointerId, width: Number(brush.value), points: [place(event)] }
    pad.strokes.push(pad.current)
    repaint(pad)
  }
  canvas.onpointermove = event => {
    if (!pad.current || event.pointerId !== pad.current.id) return
    const steps = event.getCoalescedEvents?.() ?? []
    pad.current.points.push(...(steps.length ? steps : [event]).map(place))
    repaint(pad)
  }
  canvas.onpointerup = canvas.onpointercancel = event => {
    if (!pad.current || event.pointerId !== pad.current.id) return
    pad.current = null
    send()
  }
  canvas.onkeydown = event => {
    if (event.key === "Delete" || event.key === "Backspace") clear.click()
    else if (event.key === "z" && (event.ctrlKey || event.metaKey)) undo.click()
    else return
    event.preventDefault()
  }
  undo.onclick = () => {
    pad.strokes.pop()
    repaint(pad)
    send()
  }
  clear.onclick = () => {
    pad.strokes = []
    pad.base = null
    repaint(pad)
    send()
  }
  pad.refresh()
}
