// What a component gets from Python in one block of bytes: see payload.py, which packs it.

/** Return {head, files}: the JSON head and the files as Uint8Array, views into the block. */
export function unpack(block) {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength)
  const length = view.getUint32(0, true)
  const head = JSON.parse(new TextDecoder().decode(block.subarray(4, 4 + length)))
  const aligned = size => Math.ceil(size / 8) * 8
  let at = aligned(4 + length)
  const files = head.sizes.map(size => {
    const file = block.subarray(at, at + size)
    at += aligned(size)
    return file
  })
  return { head, files }
}
