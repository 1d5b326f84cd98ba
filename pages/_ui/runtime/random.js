// Random numbers that a seed fixes, the same in every browser up to the rounding of log and cos.
// xoshiro128** (Blackman and Vigna, doi:10.1145/3460772), its state filled by splitmix32 from the seed; normal numbers
// by the transform of Box and Muller (doi:10.1214/aoms/1177706645), two for each pair of uniform ones.

const left = (x, k) => (x << k) | (x >>> (32 - k))

/** Return {uniform(), normal(), normals(n)}: uniform numbers lie in (0, 1), with 32 bits; seed: a whole number. */
export function seeded(seed) {
  let s = seed >>> 0
  const split = () => {
    s = (s + 0x9e3779b9) >>> 0
    let z = Math.imul(s ^ (s >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return (z ^ (z >>> 15)) >>> 0
  }
  let [a, b, c, d] = [split(), split(), split(), split()]
  const uniform = () => {
    const result = Math.imul(left(Math.imul(b, 5), 7), 9) >>> 0
    const t = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= t
    d = left(d, 11)
    return (result + 0.5) / 4294967296
  }
  let spare = null
  const normal = () => {
    if (spare !== null) {
      const held = spare
      spare = null
      return held
    }
    const radius = Math.sqrt(-2 * Math.log(uniform()))
    const angle = 2 * Math.PI * uniform()
    spare = radius * Math.sin(angle)
    return radius * Math.cos(angle)
  }
  return { uniform, normal, normals: n => Float32Array.from({ length: n }, normal) }
}
