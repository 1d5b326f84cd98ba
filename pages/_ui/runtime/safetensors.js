// Tensors out of the bytes of a safetensors file: eight bytes of length, a JSON header, the values, little-endian.
// Nothing in the file is trusted: what does not hold together is one sentence, and nothing is read beyond the bytes.

const SIZES = { F16: 2, F32: 4, F64: 8, I64: 8, I32: 4, I16: 2, I8: 1, U8: 1, U16: 2, U32: 4, U64: 8, BF16: 2, BOOL: 1 }
const LONGEST_HEADER = 16 << 20 // bytes; a run's header has a few thousand

/** What went wrong, in one sentence for the reader. */
export class Problem extends Error {}

const torn = what => new Problem(`The network's weights did not arrive whole (${what}): reload the page.`)
const whole = value => Number.isSafeInteger(value) && value >= 0

/** Return a Map from names to {kind, shape, bytes}; bytes are views into the file. Throws a Problem. */
export function parseSafetensors(file) {
  if (file.length < 8) throw torn("too short")
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const length = view.getUint32(0, true)
  if (view.getUint32(4, true) !== 0 || length > Math.min(LONGEST_HEADER, file.length - 8)) throw torn("header cut off")
  const header = parsedHeader(file.subarray(8, 8 + length))
  const values = file.subarray(8 + length)
  const tensors = new Map()
  for (const [name, about] of Object.entries(header)) {
    if (name !== "__metadata__") tensors.set(name, parsedTensor(about, values))
  }
  return tensors
}

function parsedHeader(bytes) {
  let header
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))
  } catch {
    throw torn("header unreadable")
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) throw torn("header unreadable")
  return header
}

function parsedTensor(about, values) {
  const { dtype, shape, data_offsets: offsets } = about ?? {}
  const size = Object.hasOwn(SIZES, dtype) ? SIZES[dtype] : 0
  if (!size || !Array.isArray(shape) || !shape.every(whole)) throw torn("a tensor has no known type or shape")
  const count = shape.reduce((product, side) => product * side, 1)
  if (!whole(count) || !Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(whole)) throw torn("bad offsets")
  const [start, end] = offsets
  if (end > values.length || end - start !== count * size) throw torn("values cut off")
  return { kind: dtype, shape, bytes: values.subarray(start, end) }
}

/** Return the values of a tensor as Float32Array; a Problem if there is none of that name, kind and shape. */
export function valuesOf(tensors, name, shape) {
  const tensor = tensors.get(name)
  if (!tensor) throw new Problem(`The network's weights lack ${name}: train this run again.`)
  const same = tensor.shape.length === shape.length && tensor.shape.every((side, i) => side === shape[i])
  const said = sides => (sides.length ? sides.join(" × ") : "one value")
  if (!same) throw new Problem(`${name} has shape ${said(tensor.shape)}, not ${said(shape)}: train this run again.`)
  const { buffer } = tensor.bytes.slice() // a copy of its own is aligned
  if (tensor.kind === "F32") return new Float32Array(buffer)
  if (tensor.kind === "F16") return fromHalf(new Uint16Array(buffer))
  throw new Problem(`${name} holds values of type ${tensor.kind}, not F32 or F16: train this run again.`)
}

let halves = null // the value of each of the 65,536 half-precision numbers, made when first needed

function fromHalf(codes) {
  halves ??= Float32Array.from({ length: 65536 }, (_, code) => halfValue(code))
  const values = new Float32Array(codes.length)
  for (let i = 0; i < codes.length; i++) values[i] = halves[codes[i]]
  return values
}

function halfValue(code) {
  const sign = code & 0x8000 ? -1 : 1
  const exponent = (code >> 10) & 31
  const fraction = code & 1023
  if (exponent === 31) return fraction ? NaN : sign * Infinity
  return sign * (exponent ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction)
}
