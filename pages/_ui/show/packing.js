// One block of bytes: the length of a JSON head, the head, then parts; each begins at a multiple of 8 bytes.

const align = n => (n + 7) & ~7

function unpack(bytes) {
  const buffer = bytes.slice().buffer
  const length = new DataView(buffer).getUint32(0, true)
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)))
  return { head, buffer, start: align(4 + length) }
}
