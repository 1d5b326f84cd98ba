// The picture and the small curves beside it, drawn on canvases. Nothing here keeps state.

const REAL = "#009E73"
const GENERATED = "#7B3294"
const ARROW = "#C23B8E"
const VIEW = { low: -0.08, high: 1.08 } // a margin, so that points outside the square are seen to be outside

function rgb(hex) {
  const n = parseInt(hex.slice(1), 16)
  return [n >> 16, (n >> 8) & 255, n & 255]
}

function palette(dark) {
  // Purple, grey, green: the ends are held back so that the points on top of them stay visible.
  const grey = dark ? [62, 62, 66] : [222, 222, 224]
  const paper = dark ? [14, 17, 23] : [255, 255, 255]
  const soften = hex => rgb(hex).map((c, i) => c * (dark ? 0.72 : 0.62) + paper[i] * (dark ? 0.28 : 0.38))
  const [low, high] = [soften(GENERATED), soften(REAL)]
  const colours = new Uint8ClampedArray(256 * 3)
  for (let level = 0; level < 256; level++) {
    const t = level / 127.5 - 1
    const end = t < 0 ? low : high
    for (let c = 0; c < 3; c++) colours[level * 3 + c] = grey[c] + (end[c] - grey[c]) * Math.abs(t)
  }
  return colours
}

function isDark(element) {
  const probe = getComputedStyle(element.host ?? element).getPropertyValue("--st-background-color").trim()
  const context = document.createElement("canvas").getContext("2d")
  context.fillStyle = probe || "#fff"
  const [r, g, b] = rgb(context.fillStyle.startsWith("#") ? context.fillStyle : "#ffffff")
  return 0.299 * r + 0.587 * g + 0.114 * b < 128
}

const css = (player, level) => `rgb(${[0, 1, 2].map(c => player.colours[level * 3 + c]).join(",")})`

const coordinate = step => step / 32767.5 - 0.5

function drawField(player, pane, frame, context, place, size) {
  const { side } = pane
  pane.image ??= new ImageData(side, side)
  pane.tile ??= Object.assign(document.createElement("canvas"), { width: side, height: side })
  const pixels = pane.image.data
  const { colours } = player
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const level = frame.field[row * side + column] * 3
      const at = ((side - 1 - row) * side + column) * 4 // the picture's rows go down, y goes up
      pixels[at] = colours[level]
      pixels[at + 1] = colours[level + 1]
      pixels[at + 2] = colours[level + 2]
      pixels[at + 3] = 255
    }
  }
  pane.tile.getContext("2d").putImageData(pane.image, 0, 0)
  context.imageSmoothingEnabled = true
  const left = place(0)
  context.drawImage(pane.tile, left, size - place(1), place(1) - left, place(1) - left)
}

function drawManifold(pane, frame, context, place, size, dark) {
  const n = pane.about.lattice
  const total = frame.manifold.length / 2
  const x = index => place(coordinate(frame.manifold[2 * index]))
  const y = index => size - place(coordinate(frame.manifold[2 * index + 1]))
  context.strokeStyle = dark ? "rgba(214,160,232,0.55)" : "rgba(88,24,110,0.5)"
  context.lineWidth = size / 700
  context.beginPath()
  const line = indices => indices.forEach((index, k) => (k ? context.lineTo(x(index), y(index)) : context.moveTo(x(index), y(index))))
  const range = Array.from({ length: n }, (_, k) => k)
  if (pane.about.noise_dim === 1) {
    context.lineWidth = size / 350
    line(Array.from({ length: total }, (_, k) => k))
  } else {
    range.forEach(row => line(range.map(column => row * n + column)))
    range.forEach(column => line(range.map(row => row * n + column)))
  }
  context.stroke()
}

function drawReal(pane, context, place, size, radius, rim) {
  context.fillStyle = REAL
  context.strokeStyle = rim
  context.lineWidth = radius * 0.5
  context.beginPath()
  for (let k = 0; k < pane.real.length; k += 2) {
    const x = place(coordinate(pane.real[k]))
    const y = size - place(coordinate(pane.real[k + 1]))
    context.moveTo(x + radius, y)
    context.arc(x, y, radius, 0, 2 * Math.PI)
  }
  context.stroke()
  context.fill()
}

function drawGenerated(frame, context, place, size, radius, rim) {
  // Diamonds, so that the two sets differ by shape as well as by colour.
  context.fillStyle = GENERATED
  context.strokeStyle = rim
  context.lineWidth = radius * 0.5
  context.beginPath()
  const r = radius * 1.35
  for (let k = 0; k < frame.points.length; k += 2) {
    const x = place(coordinate(frame.points[k]))
    const y = size - place(coordinate(frame.points[k + 1]))
    context.moveTo(x, y - r)
    context.lineTo(x + r, y)
    context.lineTo(x, y + r)
    context.lineTo(x - r, y)
    context.closePath()
  }
  context.stroke()
  context.fill()
}

function drawArrows(pane, frame, context, place, size, dark) {
  // A fixed scale over time that saturates: the longest arrow is LONG of the side, half of it at the loss's usual slope.
  const LONG = 0.09
  const EVERY = 3 // one arrow for three points: more would hide them
  const unit = place(1) - place(0)
  context.strokeStyle = dark ? "#F08BC8" : ARROW
  context.lineWidth = size / 480
  context.beginPath()
  for (let k = 0; k < frame.points.length; k += 2 * EVERY) {
    const [gx, gy] = [frame.arrows[k], frame.arrows[k + 1]]
    const norm = Math.hypot(gx, gy)
    const length = (LONG * unit * norm) / (norm + pane.about.usual_slope)
    if (!(length > 1)) continue
    const [dx, dy] = [(gx / norm) * length, (-gy / norm) * length]
    const x = place(coordinate(frame.points[k]))
    const y = size - place(coordinate(frame.points[k + 1]))
    const head = Math.min(length * 0.4, size / 90)
    context.moveTo(x, y)
    context.lineTo(x + dx, y + dy)
    for (const turn of [2.6, -2.6]) {
      const [c, s] = [Math.cos(turn), Math.sin(turn)]
      context.moveTo(x + dx, y + dy)
      context.lineTo(x + dx + ((dx * c - dy * s) / length) * head, y + dy + ((dx * s + dy * c) / length) * head)
    }
  }
  context.stroke()
}

function drawPicture(player, pane, frame) {
  const { canvas } = pane.dom
  const context = canvas.getContext("2d")
  const size = canvas.width
  const place = value => ((value - VIEW.low) / (VIEW.high - VIEW.low)) * size
  const on = player.layers
  context.fillStyle = player.dark ? "#17191f" : "#ffffff"
  context.fillRect(0, 0, size, size)
  if (on.has("field")) drawField(player, pane, frame, context, place, size)
  context.strokeStyle = player.dark ? "#ffffff30" : "#00000030"
  context.lineWidth = size / 700
  context.strokeRect(place(0), size - place(1), place(1) - place(0), place(1) - place(0))
  const radius = Math.max(size / 260, 2)
  const rim = player.dark ? "rgba(255,255,255,0.5)" : "rgba(255,255,255,0.8)"
  if (on.has("manifold")) drawManifold(pane, frame, context, place, size, player.dark)
  if (on.has("real")) drawReal(pane, context, place, size, radius, rim)
  if (on.has("arrows")) drawArrows(pane, frame, context, place, size, player.dark)
  if (on.has("generated")) drawGenerated(frame, context, place, size, radius, rim)
}

function extent(series) {
  const values = series.flatMap(one => one.values).filter(Number.isFinite)
  return values.length ? [Math.min(...values), Math.max(...values)] : [0, 1]
}

const shortNumber = value =>
  !Number.isFinite(value) ? "–" : Number.isInteger(value) ? String(value) : Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(3)

function drawMeasure(player, pane, measure, index) {
  const { canvas } = measure
  const context = canvas.getContext("2d")
  const [width, height] = [canvas.width, canvas.height]
  const last = Math.max(pane.frames.length - 1, 1)
  const [seenLow, seenHigh] = extent(measure.series)
  const low = Math.min(measure.low ?? seenLow, seenLow)
  const high = Math.max(measure.high ?? seenHigh, seenHigh)
  const x = k => (k / last) * (width - 4) + 2
  const y = value => height - 3 - ((value - low) / (high - low || 1)) * (height - 6)
  context.clearRect(0, 0, width, height)
  context.strokeStyle = player.dark ? "#ffffff28" : "#00000020"
  context.lineWidth = 1
  context.strokeRect(0.5, 0.5, width - 1, height - 1)
  measure.series.forEach(one => {
    context.strokeStyle = one.colour ?? player.text
    context.lineWidth = Math.max(1.5, height / 36)
    context.beginPath()
    let pen = false
    one.values.forEach((value, k) => {
      if (!Number.isFinite(value)) return void (pen = false)
      pen ? context.lineTo(x(k), y(value)) : context.moveTo(x(k), y(value))
      pen = true
    })
    context.stroke()
  })
  context.strokeStyle = player.primary
  context.lineWidth = Math.max(1.5, height / 40)
  context.beginPath()
  context.moveTo(x(index), 1)
  context.lineTo(x(index), height - 1)
  context.stroke()
  measure.value.textContent = measure.series.map(one => shortNumber(one.values[index])).join(" / ")
}

