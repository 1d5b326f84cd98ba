// From strokes to a digit of 28 x 28, as core/data/drawing.py and core/data/images.py do it: see there for the why.
// The arithmetic has their order, so that browser and Python get the same pixels. Pure functions: no canvas is read.

export const CANVAS = 280 // side of the canvas in its own units
const BOX_SIDE = 20
const SIDE = 28
const CENTRE = 14
const FAINTEST = 32

const within = (value, low, high) => Math.min(Math.max(value, low), high)

/** Return how much of each pixel the strokes cover: Uint8Array(size * size), 0 to 255, row by row.
 *  strokes: [{width, points: [[x, y], ...]}, ...] in canvas units (0 to 280, y downwards); one point is a dot. */
export function rasterise(strokes, size = 280) {
  const cover = new Float64Array(size * size)
  const scale = size / CANVAS
  for (const { width, points } of strokes) {
    const radius = (width * scale) / 2
    for (let i = 0; i < Math.max(points.length - 1, 1); i++) {
      const [x0, y0] = points[i]
      const [x1, y1] = points[i + 1] ?? points[i]
      coverPiece(cover, size, x0 * scale, y0 * scale, x1 * scale, y1 * scale, radius)
    }
  }
  return Uint8Array.from(cover, value => Math.floor(value * 255 + 0.5))
}

function coverPiece(cover, size, x0, y0, x1, y1, radius) {
  const reach = radius + 1
  const top = Math.max(Math.floor(Math.min(y0, y1) - reach), 0)
  const bottom = Math.min(Math.ceil(Math.max(y0, y1) + reach), size)
  const left = Math.max(Math.floor(Math.min(x0, x1) - reach), 0)
  const right = Math.min(Math.ceil(Math.max(x0, x1) + reach), size)
  const dx = x1 - x0
  const dy = y1 - y0
  const squared = dx * dx + dy * dy
  for (let row = top; row < bottom; row++) {
    const py = row + 0.5 - y0
    for (let column = left; column < right; column++) {
      const px = column + 0.5 - x0
      const share = squared > 0 ? within((px * dx + py * dy) / squared, 0, 1) : 0
      const ex = px - share * dx
      const ey = py - share * dy
      const value = within(radius - Math.sqrt(ex * ex + ey * ey) + 0.5, 0, 1)
      if (value > cover[row * size + column]) cover[row * size + column] = value
    }
  }
}

/** Return a drawing in MNIST's format, Uint8Array(784), or null where nothing is drawn.
 *  ink: height * width numbers from 0 to 255, row by row; a square unless height is given. */
export function fromDrawing(ink, height = Math.sqrt(ink.length)) {
  const width = ink.length / height
  const box = inkBox(ink, height, width)
  if (!box) return null
  const cropped = crop(ink, width, box)
  const longer = Math.max(box.height, box.width)
  const rows = Math.max(1, roundEven((box.height * BOX_SIDE) / longer))
  const columns = Math.max(1, roundEven((box.width * BOX_SIDE) / longer))
  const small = average(cropped, box.height, box.width, rows, columns).map(value => within(roundEven(value), 0, 255))
  const byRow = sums(rows, i => i, small, columns)
  const byColumn = sums(columns, (i, j) => j, small, columns)
  if (!byRow.some(Boolean)) return null
  const top = offset(byRow)
  const left = offset(byColumn)
  const digit = new Uint8Array(SIDE * SIDE)
  small.forEach((value, i) => {
    digit[(top + Math.floor(i / columns)) * SIDE + left + (i % columns)] = value
  })
  return digit
}

/** Return the digit that strokes show, Uint8Array(784), or null where there are none. */
export const digitOf = (strokes, size = 280) => fromDrawing(rasterise(strokes, size))

/** Round half to even, as Python's round and numpy's rint do. */
function roundEven(value) {
  const low = Math.floor(value)
  const rest = value - low
  if (rest !== 0.5) return rest < 0.5 ? low : low + 1
  return low % 2 === 0 ? low : low + 1
}

function inkBox(ink, height, width) {
  let [top, bottom, left, right, most] = [height, -1, width, -1, 0]
  for (let i = 0; i < ink.length; i++) {
    if (ink[i] < 1) continue
    const row = Math.floor(i / width)
    const column = i % width
    top = Math.min(top, row)
    bottom = Math.max(bottom, row)
    left = Math.min(left, column)
    right = Math.max(right, column)
    most = Math.max(most, ink[i])
  }
  return most < FAINTEST ? null : { top, left, height: bottom - top + 1, width: right - left + 1 }
}

function crop(ink, width, box) {
  const cropped = new Float32Array(box.height * box.width)
  for (let row = 0; row < box.height; row++) {
    const start = (box.top + row) * width + box.left
    cropped.set(ink.subarray(start, start + box.width), row * box.width)
  }
  return cropped
}

/** Pillow's box filter: columns first, then rows, each stored in single precision. */
function average(values, height, width, rows, columns) {
  const across = windows(width, columns)
  const wide = new Float32Array(height * columns)
  for (let row = 0; row < height; row++) {
    across.forEach(([first, weights], column) => {
      let sum = 0
      for (let k = 0; k < weights.length; k++) sum += values[row * width + first + k] * weights[k]
      wide[row * columns + column] = sum
    })
  }
  const down = windows(height, rows)
  const small = new Float32Array(rows * columns)
  down.forEach(([first, weights], row) => {
    for (let column = 0; column < columns; column++) {
      let sum = 0
      for (let k = 0; k < weights.length; k++) sum += wide[(first + k) * columns + column] * weights[k]
      small[row * columns + column] = sum
    }
  })
  return small
}

/** Return, per output pixel, the first input pixel and the weights of those that its box holds. */
function windows(inputs, outputs) {
  const scale = inputs / outputs
  const spread = Math.max(scale, 1)
  return Array.from({ length: outputs }, (_, i) => {
    const centre = (i + 0.5) * scale
    const first = Math.max(Math.trunc(centre - 0.5 * spread + 0.5), 0)
    const last = Math.min(Math.trunc(centre + 0.5 * spread + 0.5), inputs)
    const weights = new Float64Array(last - first)
    for (let k = 0; k < weights.length; k++) {
      const place = (k + first - centre + 0.5) * (1 / spread)
      weights[k] = place > -0.5 && place <= 0.5 ? 1 : 0
    }
    const total = weights.reduce((sum, one) => sum + one, 0)
    return [first, total === 0 ? weights : weights.map(one => one / total)]
  })
}

function sums(length, place, values, columns) {
  const found = new Array(length).fill(0)
  values.forEach((value, i) => (found[place(Math.floor(i / columns), i % columns)] += value))
  return found
}

/** Return where a box with this ink per row (or column) starts so that its centre of mass lies at CENTRE. */
function offset(mass) {
  const total = mass.reduce((sum, one) => sum + one, 0)
  const centre = mass.reduce((sum, one, i) => sum + one * i, 0) / total
  return within(roundEven(CENTRE - centre), 0, SIDE - mass.length)
}
