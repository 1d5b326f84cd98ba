// A network in the browser: the layers that core/layers.py describes, with the weights of a run's safetensors file.

import { Problem, parseSafetensors, valuesOf } from "./safetensors.js"
import { STEPS, count } from "./steps.js"

export class Network {
  /** layers: as core.layers.described gives them; file: bytes of a safetensors file, or what parseSafetensors gave;
   *  shape: that of one item that goes in. Throws a Problem whose message is for the reader. */
  constructor(layers, file, shape) {
    const tensors = file instanceof Map ? file : parseSafetensors(file)
    this.inputShape = shape
    this.steps = []
    for (const layer of layers) {
      const make = Object.hasOwn(STEPS, layer.kind) ? STEPS[layer.kind] : null
      if (!make) throw new Problem(`This page does not know the layer “${layer.kind}”: reload it.`)
      const step = make(layer, shape, (role, sides) => valuesOf(tensors, String(layer.tensors[role]), sides), this.steps)
      if (!step) continue // it went into the step before
      if (!step.shape) throw new Problem(`The layer “${layer.kind}” does not take ${shape.join(" × ")} values: reload the page.`)
      this.steps.push(step)
      shape = step.shape
    }
    this.outputShape = shape
    this.inputSize = count(this.inputShape)
    this.outputSize = count(shape)
  }

  /** Return the outputs of n items, a new Float32Array(n * outputSize). */
  forward(x, n = x.length / this.inputSize) {
    if (x.length !== n * this.inputSize) throw new Problem(`The network takes ${this.inputSize} numbers an item, not ${x.length / n}.`)
    let values = x
    for (const step of this.steps) values = step.forward(values, n)
    return values.slice(0, n * this.outputSize)
  }

  /** Return {output, gradient}: the outputs of n items, and the gradient of sum(output * weights) in the input.
   *  weights: as many numbers as the output, or a function that gives them for an output. */
  gradient(x, weights, n = x.length / this.inputSize) {
    const output = this.forward(x, n)
    let g = Float32Array.from(typeof weights === "function" ? weights(output) : weights)
    for (const step of this.steps.toReversed()) g = step.backward(g, n)
    return { output, gradient: g.slice(0, n * this.inputSize) }
  }
}
