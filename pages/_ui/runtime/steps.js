// What each kind of layer computes: a step with the shape after it, forward(x, n) for n items in one array, item after
// item, and backward(g, n), which takes the gradient in its output to that in its input. An array that a step returns is
// its own and holds until its next call.

import { Problem } from "./safetensors.js"
import { ACTIVATIONS, fold, grid, multiply, multiplyWide, transposed, unfold } from "./kernels.js"

/** Return how many values a shape holds. */
export const count = shape => shape.reduce((product, side) => product * side, 1)
const same = (a, b) => a.length === b.length && a.every((side, i) => side === b[i])

/** Return a function that gives an array of a size, the same one while the size stays. */
function kept() {
  let array = new Float32Array(0)
  return size => {
    if (array.length !== size) array = new Float32Array(size)
    return array
  }
}

function dense(weight, bias, inputs, outputs) {
  const [out, back] = [kept(), kept()]
  let turned = null
  return {
    shape: [outputs],
    channels: outputs,
    weight,
    bias,
    inputs: 1,
    forward(x, n) {
      const y = out(n * outputs)
      multiply(x, weight, y, n, outputs, inputs)
      for (let at = 0; at < y.length; at += outputs) for (let j = 0; j < outputs; j++) y[at + j] += bias[j]
      return y
    },
    backward(g, n) {
      turned ??= transposed(weight, outputs, inputs)
      const gx = back(n * inputs)
      multiply(g, turned, gx, n, inputs, outputs)
      return gx
    },
  }
}

/** Slide over maps: (n, channels, height, width) of g to (n, outputs, places); weight is outputs × depth. */
function slide(weight, g, outputs) {
  const [seen, out] = [kept(), kept()]
  const [before, after] = [g.channels * g.height * g.width, outputs * g.places]
  return (x, n) => {
    const [y, cols] = [out(n * after), seen(g.depth * g.places)]
    for (let item = 0; item < n; item++) {
      unfold(x, item * before, g, cols)
      multiplyWide(weight, cols, y.subarray(item * after, (item + 1) * after), outputs, g.places, g.depth)
    }
    return y
  }
}

/** The way back of slide: (n, outputs, places) to maps, every place adding to the pixels that it saw. */
function spread(weight, g, outputs) {
  const turned = transposed(weight, outputs, g.depth)
  const [cols, out] = [kept(), kept()]
  const [before, after] = [g.channels * g.height * g.width, outputs * g.places]
  return (x, n) => {
    const [y, col] = [out(n * before).fill(0), cols(g.depth * g.places)]
    for (let item = 0; item < n; item++) {
      multiplyWide(turned, x.subarray(item * after, (item + 1) * after), col, g.depth, g.places, outputs)
      fold(col, g, y, item * before)
    }
    return y
  }
}

function convolution(layer, shape, take) {
  const { inputs, outputs, kernel } = layer
  if (shape.length !== 3 || shape[0] !== inputs) return {}
  const up = layer.kind === "conv_transpose"
  const side = value => (value - 1) * layer.stride - 2 * layer.padding + kernel
  const g = up ? grid(outputs, side(shape[1]), side(shape[2]), layer) : grid(inputs, shape[1], shape[2], layer)
  if (g.rows < 1 || g.columns < 1 || (up && (g.rows !== shape[1] || g.columns !== shape[2]))) return {}
  const weight = take("weight", [up ? inputs : outputs, up ? outputs : inputs, kernel, kernel])
  const bias = layer.bias ? take("bias", [outputs]) : new Float32Array(outputs)
  const after = up ? [outputs, g.height, g.width] : [outputs, g.rows, g.columns]
  const places = after[1] * after[2]
  let [there, back] = [null, null] // made when first used: normalisation may still be folded into the weights
  const forwards = () => (up ? spread(weight, g, inputs) : slide(weight, g, outputs))
  const backwards = () => (up ? slide(weight, g, inputs) : spread(weight, g, outputs))
  return {
    shape: after,
    channels: outputs,
    weight,
    bias,
    inputs: up ? inputs : 1,
    forward(x, n) {
      there ??= forwards()
      const y = there(x, n)
      scaleLines(y, y, null, bias, places)
      return y
    },
    backward: (g, n) => (back ??= backwards())(g, n),
  }
}

/** y = x * scale + shift, where a line of `places` values shares one of each; without scale only the shift. */
function scaleLines(x, y, scale, shift, places) {
  for (let line = 0; line * places < y.length; line++) {
    const channel = line % shift.length
    const [by, add] = [scale ? scale[channel] : 1, shift[channel]]
    for (let at = line * places, end = at + places; at < end; at++) y[at] = x[at] * by + add
  }
}

/** A step that scales and shifts lines of `places` values, one channel after the other. */
function affine(shape, scale, shift, places) {
  const [out, back] = [kept(), kept()]
  const none = new Float32Array(shift.length)
  return {
    shape,
    forward(x) {
      const y = out(x.length)
      scaleLines(x, y, scale, shift, places)
      return y
    },
    backward(g) {
      const gx = back(g.length)
      scaleLines(g, gx, scale, none, places)
      return gx
    },
  }
}

function activation(layer, shape) {
  const make = Object.hasOwn(ACTIVATIONS, layer.name) ? ACTIVATIONS[layer.name] : null
  if (!make) throw new Problem(`This page does not know the activation “${layer.name}”: reload it.`)
  const { fill, slope } = make(layer)
  const [out, back] = [kept(), kept()]
  let last = null
  return {
    shape,
    forward(x) {
      last = x
      const y = out(x.length)
      fill(x, y)
      return y
    },
    backward(g) {
      const gx = back(g.length)
      for (let at = 0; at < g.length; at++) gx[at] = g[at] * slope(last[at])
      return gx
    },
  }
}

/** Batch normalisation: done by the linear step before it, where it stands right after one. */
function batchNorm(layer, shape, take, steps) {
  const { channels, eps } = layer
  if (shape[0] !== channels) return {}
  const [weight, bias, mean, variance] = ["weight", "bias", "running_mean", "running_var"].map(role => take(role, [channels]))
  const scale = Float32Array.from(weight, (value, i) => value / Math.sqrt(variance[i] + eps))
  const shift = Float32Array.from(bias, (value, i) => value - mean[i] * scale[i])
  const before = steps.at(-1)
  if (before?.channels === channels) return foldInto(before, scale, shift)
  return affine(shape, scale, shift, count(shape) / channels)
}

/** Let the linear step before do the normalisation's work. */
function foldInto(step, scale, shift) {
  const { channels, weight, bias, inputs } = step // a transposed convolution's weights begin with its inputs
  const run = weight.length / channels / inputs
  for (let at = 0; at < weight.length; at++) weight[at] *= scale[Math.floor(at / run) % channels]
  for (let i = 0; i < channels; i++) bias[i] = bias[i] * scale[i] + shift[i]
  return null
}

/** A step that takes each output from one input: fill(x, from) sets those inputs' places for all n items. */
function chosen(before, shape, fill) {
  const [inputs, outputs] = [count(before), count(shape)]
  const [out, back] = [kept(), kept()]
  let from = new Int32Array(0)
  return {
    shape,
    forward(x, n) {
      const y = out(n * outputs)
      if (from.length !== y.length) from = new Int32Array(y.length)
      fill(x, from)
      for (let at = 0; at < y.length; at++) y[at] = x[from[at]]
      return y
    },
    backward(g, n) {
      const gx = back(n * inputs).fill(0)
      for (let at = 0; at < g.length; at++) gx[from[at]] += g[at]
      return gx
    },
  }
}

/** The maximum of boxes of `high` × `wide` pixels, side by side. */
function pool(shape, high, wide) {
  if (shape.length !== 3 || shape[1] < high || shape[2] < wide) return {}
  const [channels, height, width] = shape
  const [rows, columns] = [Math.floor(height / high), Math.floor(width / wide)]
  return chosen(shape, [channels, rows, columns], (x, from) => {
    for (let at = 0; at < from.length; at++) {
      const line = Math.floor(at / columns)
      let top = (Math.floor(line / rows) * height + (line % rows) * high) * width + (at % columns) * wide
      let best = top
      for (let y = 0; y < high; y++, top += width) {
        for (let place = top; place < top + wide; place++) if (x[place] > x[best]) best = place
      }
      from[at] = best
    }
  })
}

function upsample({ scale }, shape) {
  if (shape.length !== 3) return {}
  const [channels, height, width] = shape
  return chosen(shape, [channels, height * scale, width * scale], (_, from) => {
    for (let at = 0; at < from.length; at++) {
      const line = Math.floor(at / (width * scale)) // over the channels of all items: all have the same height
      from[at] = Math.floor(line / scale) * width + Math.floor((at % (width * scale)) / scale)
    }
  })
}

/** Take one member's matrix (inputs × outputs) out of a stack of several seeds'. */
function memberOf(stack, size, member) {
  return stack.subarray(member * size, (member + 1) * size)
}

function waves(layer, shape, take) {
  const { dimensions, features, seeds, member } = layer
  if (shape.length !== 2 || shape[1] !== dimensions) return {}
  const all = take("waves", [seeds, dimensions, features])
  const frequency = transposed(memberOf(all, dimensions * features, member), dimensions, features)
  const wide = dimensions + 2 * features
  const [out, back] = [kept(), kept()]
  let last = null
  const phase = (at, feature) => {
    let sum = 0
    for (let d = 0; d < dimensions; d++) sum += last[at * dimensions + d] * frequency[feature * dimensions + d]
    return sum
  }
  return {
    shape: [shape[0], wide],
    forward(x, n) {
      last = x
      const y = out(n * shape[0] * wide)
      for (let at = 0; at < n * shape[0]; at++) {
        for (let d = 0; d < dimensions; d++) y[at * wide + d] = x[at * dimensions + d]
        for (let f = 0; f < features; f++) {
          const angle = phase(at, f)
          y[at * wide + dimensions + f] = Math.sin(angle)
          y[at * wide + dimensions + features + f] = Math.cos(angle)
        }
      }
      return y
    },
    backward(g, n) {
      const gx = back(n * shape[0] * dimensions)
      for (let at = 0; at < n * shape[0]; at++) {
        for (let d = 0; d < dimensions; d++) {
          let sum = g[at * wide + d]
          for (let f = 0; f < features; f++) {
            const [angle, start] = [phase(at, f), at * wide + dimensions + f]
            sum += frequency[f * dimensions + d] * (g[start] * Math.cos(angle) - g[start + features] * Math.sin(angle))
          }
          gx[at * dimensions + d] = sum
        }
      }
      return gx
    },
  }
}

const passed = shape => ({ shape, forward: x => x, backward: g => g })

/** From a layer's kind to its step; a step without a shape does not take the input; none at all joined the one before. */
export const STEPS = {
  dense(layer, shape, take) {
    const { inputs, outputs } = layer
    if (!same(shape, [inputs])) return {}
    const weight = take("weight", [outputs, inputs])
    return dense(weight, layer.bias ? take("bias", [outputs]) : new Float32Array(outputs), inputs, outputs)
  },
  stacked_dense(layer, shape, take) {
    const { inputs, outputs, seeds, member } = layer
    if (!same(shape, [inputs])) return {}
    const weights = take("weight", [seeds, inputs, outputs])
    const biases = take("bias", [seeds, 1, outputs])
    const weight = transposed(memberOf(weights, inputs * outputs, member), inputs, outputs)
    return dense(weight, memberOf(biases, outputs, member), inputs, outputs)
  },
  conv: convolution,
  conv_transpose: convolution,
  batch_norm: batchNorm,
  activation,
  max_pool: ({ kernel }, shape) => pool(shape, kernel, kernel),
  global_max_pool: (_, shape) => pool(shape, shape[1], shape[2]),
  upsample,
  flatten: (_, shape) => passed([count(shape)]),
  unflatten: (layer, shape) => (count(layer.shape) === count(shape) ? passed(layer.shape) : {}),
  bias: (layer, shape, take) => (same(shape, [layer.size]) ? affine(shape, null, take("bias", shape), 1) : {}),
  affine: ({ scale, shift }, shape) => affine(shape, [scale], [shift], 1),
  waves,
}
