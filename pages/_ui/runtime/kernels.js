// The inner loops of a network. Sums run in double precision; what is stored is single.

/** out[i, j] = sum over k of a[i, k] * b[j, k]: a is rows × depth, b is columns × depth, both row by row.
 *  Blocks of two rows by four columns keep every loaded value in use several times. */
export function multiply(a, b, out, rows, columns, depth) {
  let i = 0
  for (; i + 1 < rows; i += 2) {
    let j = 0
    for (; j + 3 < columns; j += 4) block2x4(a, b, out, i, j, columns, depth)
    for (; j < columns; j++) {
      out[i * columns + j] = dot(a, i * depth, b, j * depth, depth)
      out[(i + 1) * columns + j] = dot(a, (i + 1) * depth, b, j * depth, depth)
    }
  }
  if (i < rows) {
    let j = 0
    for (; j + 3 < columns; j += 4) block1x4(a, b, out, i, j, columns, depth)
    for (; j < columns; j++) out[i * columns + j] = dot(a, i * depth, b, j * depth, depth)
  }
}

function dot(a, p, b, q, depth) {
  let sum = 0
  for (let k = 0; k < depth; k++) sum += a[p + k] * b[q + k]
  return sum
}

function block1x4(a, b, out, i, j, columns, depth) {
  let p = i * depth
  let q0 = j * depth
  let q1 = q0 + depth
  let q2 = q1 + depth
  let q3 = q2 + depth
  let [s0, s1, s2, s3] = [0, 0, 0, 0]
  for (const end = p + depth; p < end; p++) {
    const x = a[p]
    s0 += x * b[q0++]
    s1 += x * b[q1++]
    s2 += x * b[q2++]
    s3 += x * b[q3++]
  }
  const at = i * columns + j
  out[at] = s0
  out[at + 1] = s1
  out[at + 2] = s2
  out[at + 3] = s3
}

function block2x4(a, b, out, i, j, columns, depth) {
  let p = i * depth
  let r = p + depth
  let q0 = j * depth
  let q1 = q0 + depth
  let q2 = q1 + depth
  let q3 = q2 + depth
  let [s0, s1, s2, s3, t0, t1, t2, t3] = [0, 0, 0, 0, 0, 0, 0, 0]
  for (const end = p + depth; p < end; p++, r++) {
    const x = a[p]
    const y = a[r]
    const w0 = b[q0++]
    const w1 = b[q1++]
    const w2 = b[q2++]
    const w3 = b[q3++]
    s0 += x * w0
    t0 += y * w0
    s1 += x * w1
    t1 += y * w1
    s2 += x * w2
    t2 += y * w2
    s3 += x * w3
    t3 += y * w3
  }
  const at = i * columns + j
  const below = at + columns
  out[at] = s0
  out[at + 1] = s1
  out[at + 2] = s2
  out[at + 3] = s3
  out[below] = t0
  out[below + 1] = t1
  out[below + 2] = t2
  out[below + 3] = t3
}

/** out[i, j] = sum over k of a[i, k] * b[k, j]: a is rows × depth, b is depth × columns, both row by row. */
export function multiplyWide(a, b, out, rows, columns, depth) {
  const [evenRows, evenColumns] = [rows - (rows % 2), columns - (columns % 4)]
  for (let i = 0; i < evenRows; i += 2) {
    for (let j = 0; j < evenColumns; j += 4) wide2x4(a, b, out, i, j, columns, depth)
  }
  for (let i = 0; i < rows; i++) {
    for (let j = i < evenRows ? evenColumns : 0; j < columns; j++) {
      let sum = 0
      for (let k = 0; k < depth; k++) sum += a[i * depth + k] * b[k * columns + j]
      out[i * columns + j] = sum
    }
  }
}

function wide2x4(a, b, out, i, j, columns, depth) {
  let p = i * depth
  let r = p + depth
  let [s0, s1, s2, s3, t0, t1, t2, t3] = [0, 0, 0, 0, 0, 0, 0, 0]
  const end = r
  for (let q = j; p < end; p++, r++, q += columns) {
    const x = a[p]
    const y = a[r]
    const w0 = b[q]
    const w1 = b[q + 1]
    const w2 = b[q + 2]
    const w3 = b[q + 3]
    s0 += x * w0
    t0 += y * w0
    s1 += x * w1
    t1 += y * w1
    s2 += x * w2
    t2 += y * w2
    s3 += x * w3
    t3 += y * w3
  }
  const at = i * columns + j
  const below = at + columns
  out[at] = s0
  out[at + 1] = s1
  out[at + 2] = s2
  out[at + 3] = s3
  out[below] = t0
  out[below + 1] = t1
  out[below + 2] = t2
  out[below + 3] = t3
}

/** Return values (rows × columns) with rows and columns exchanged. */
export function transposed(values, rows, columns, out = new Float32Array(rows * columns)) {
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) out[j * rows + i] = values[i * columns + j]
  }
  return out
}

/** Where a convolution's kernel looks. channels, height, width are of the side it slides over, which `places` counts. */
export function grid(channels, height, width, { kernel, stride, padding }) {
  const rows = Math.floor((height + 2 * padding - kernel) / stride) + 1
  const columns = Math.floor((width + 2 * padding - kernel) / stride) + 1
  const places = rows * columns
  return { channels, height, width, kernel, stride, padding, rows, columns, places, depth: channels * kernel ** 2 }
}

/** Return the first and the last-but-one of `places` at which a kernel's pixel `k` lies inside a side of the maps. */
function reach(k, places, side, { stride, padding }) {
  const first = Math.max(Math.ceil((padding - k) / stride), 0)
  return [Math.min(first, places), Math.max(Math.min(Math.floor((side - 1 + padding - k) / stride) + 1, places), first)]
}

/** Call row(at, end, pixel) for every row of places (depth × rows × columns) from which a kernel's pixel meets the maps:
 *  `at` to `end` are places, `pixel` is what the first of them sees; the next see the next ones, `stride` apart. */
function eachRow(g, row) {
  const { kernel, stride, padding, height, width, rows, columns, places } = g
  for (let line = 0; line < g.depth; line++) {
    const channel = Math.floor(line / (kernel * kernel))
    const ky = Math.floor(line / kernel) % kernel
    const kx = line % kernel
    const [top, bottom] = reach(ky, rows, height, g)
    const [left, right] = reach(kx, columns, width, g)
    for (let y = top; y < bottom; y++) {
      const at = line * places + y * columns
      const pixel = (channel * height + y * stride + ky - padding) * width + left * stride + kx - padding
      row(at + left, at + right, pixel)
    }
  }
}

/** Fill out (depth × places) with what the kernel sees at each place of maps x, which start at `from`. */
export function unfold(x, from, g, out) {
  const { stride } = g
  if (g.padding) out.fill(0)
  eachRow(g, (at, end, pixel) => {
    for (pixel += from; at < end; at++, pixel += stride) out[at] = x[pixel]
  })
}

/** Add to maps out, which start at `from`, what each place (cols: depth × places) gives to the pixels below it. */
export function fold(cols, g, out, from) {
  const { stride } = g
  eachRow(g, (at, end, pixel) => {
    for (pixel += from; at < end; at++, pixel += stride) out[pixel] += cols[at]
  })
}

const sigmoid = x => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)))

const ERFCC = [
  0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368, -1.26551223,
]

/** The distribution function of the standard normal; its error is below 1e-7 (Numerical Recipes, erfcc). */
function normalCdf(x) {
  const z = Math.abs(x) * Math.SQRT1_2
  const t = 1 / (1 + z / 2)
  let sum = 0
  for (const term of ERFCC) sum = term + t * sum
  const tail = (t * Math.exp(-z * z + sum)) / 2
  return x >= 0 ? 1 - tail : tail
}
const normalDensity = x => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)

/** Return {fill, slope} of a function of single values. */
function pointwise(value, slope) {
  const fill = (x, y) => {
    for (let at = 0; at < y.length; at++) y[at] = value(x[at])
  }
  return { fill, slope }
}

/** max(x, 0) + below * min(x, 0), with a loop of its own: it stands in most networks. */
function rectifier(below) {
  const fill = (x, y) => {
    for (let at = 0; at < y.length; at++) y[at] = x[at] > 0 ? x[at] : below * x[at]
  }
  return { fill, slope: x => (x > 0 ? 1 : below) }
}

/** By name, as torch defines them: fill(x, y) sets y to the function of x, slope(x) is its derivative. */
export const ACTIVATIONS = {
  relu: () => rectifier(0),
  leaky: ({ slope }) => rectifier(slope),
  elu: () => pointwise(x => (x > 0 ? x : Math.expm1(x)), x => (x > 0 ? 1 : Math.exp(x))),
  gelu: () => pointwise(x => x * normalCdf(x), x => normalCdf(x) + x * normalDensity(x)),
  silu: () => pointwise(x => x * sigmoid(x), x => sigmoid(x) * (1 + x * (1 - sigmoid(x)))),
  tanh: () => pointwise(Math.tanh, x => 1 - Math.tanh(x) ** 2),
  sigmoid: () => pointwise(sigmoid, x => sigmoid(x) * (1 - sigmoid(x))),
  softplus: () => pointwise(x => (x > 20 ? x : Math.log1p(Math.exp(x))), sigmoid),
}
