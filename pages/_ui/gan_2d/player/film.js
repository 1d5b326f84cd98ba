// Reading of films: after the block's head, one safetensors file per pane. packing.js stands before this file.

function halfToFloat(bits) {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return 0 // infinity and NaN draw nothing
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

function readFilm(buffer, start) {
  const view = new DataView(buffer, start)
  const headLength = Number(view.getBigUint64(0, true))
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, start + 8, headLength)))
  const base = start + 8 + headLength
  const tensor = name => {
    const { dtype, shape, data_offsets: offsets } = head[name]
    const bytes = buffer.slice(base + offsets[0], base + offsets[1])
    return { shape, data: dtype === "U8" ? new Uint8Array(bytes) : new Uint16Array(bytes) }
  }
  const about = JSON.parse(head.__metadata__.about)
  const [field, points, arrows, manifold] = ["field", "points", "arrows", "manifold"].map(tensor)
  const real = tensor("real").data
  const side = field.shape[1]
  const per = t => t.data.length / (about.steps.length || 1)
  const sizes = [field, points, arrows, manifold].map(per)
  const frames = about.steps.map((step, t) => ({
    step,
    field: field.data.subarray(t * sizes[0], (t + 1) * sizes[0]),
    points: points.data.subarray(t * sizes[1], (t + 1) * sizes[1]),
    arrows: Float32Array.from(arrows.data.subarray(t * sizes[2], (t + 1) * sizes[2]), halfToFloat),
    manifold: manifold.data.subarray(t * sizes[3], (t + 1) * sizes[3]),
  }))
  return { about, side, real, frames }
}

function readBundle(bytes) {
  const { head, buffer, start } = unpack(bytes)
  let at = start
  head.panes.forEach(pane => {
    Object.assign(pane, readFilm(buffer, at))
    at += align(pane.bytes)
  })
  return head
}
