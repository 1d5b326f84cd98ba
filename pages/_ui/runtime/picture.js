// Digits on a canvas: white ink on black in both themes, one canvas pixel a pixel, enlarged by CSS without blurring.

const DIGIT_SIDE = 28
const DIGIT_GAP = 2

/** Paint images (values 0 to 1, or 0 to 255 in bytes), DIGIT_SIDE x DIGIT_SIDE each, row by row, `columns` to a row. */
export function paintDigits(canvas, values, columns = 1) {
  const images = values.length / DIGIT_SIDE ** 2
  const rows = Math.ceil(images / columns)
  const width = columns * DIGIT_SIDE + (columns - 1) * DIGIT_GAP
  const height = rows * DIGIT_SIDE + (rows - 1) * DIGIT_GAP
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height })
  const context = canvas.getContext("2d")
  const picture = context.createImageData(width, height) // transparent: so are the gaps
  const most = values instanceof Float32Array ? 255 : 1
  for (let i = 0; i < values.length; i++) {
    const image = Math.floor(i / DIGIT_SIDE ** 2)
    const [y, x] = [Math.floor(i / DIGIT_SIDE) % DIGIT_SIDE, i % DIGIT_SIDE]
    const row = Math.floor(image / columns) * (DIGIT_SIDE + DIGIT_GAP) + y
    const at = (row * width + (image % columns) * (DIGIT_SIDE + DIGIT_GAP) + x) * 4
    const level = Math.round(values[i] * most) // what is no number shows as paper
    picture.data[at] = picture.data[at + 1] = picture.data[at + 2] = level
    picture.data[at + 3] = 255
  }
  context.putImageData(picture, 0, 0)
}
