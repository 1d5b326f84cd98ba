// The pictures of a training, one set an epoch, drawn pixel for pixel. All frames live here, in the browser; which epoch
// is shown, the page's epoch bar says. shared.js and packing.js stand before this file when it is sent.

const PHONE = "(max-width: 767px)" // narrower than this, a row of many images stands in two
const FOLDS_FROM = 6 // columns
const LABEL_GAP = 6 // px between a row's label and its pictures
const GAP_GREY = "#808080"
const BLACK = "#000"
const films = new WeakMap()

const move = detail => document.dispatchEvent(new CustomEvent(MOVE, { detail }))

// The largest whole number of device pixels a picture's pixel may take: never blurred, never stretched.
function scaleFor(pixels, room, density, most) {
  return Math.max(1, Math.min(Math.floor((room * density) / pixels), Math.floor(most * density)))
}

// Which columns stand side by side: all of them, or on a phone the first half above the second.
function parts(columns, folds) {
  const half = Math.ceil(columns / 2)
  return folds && columns >= FOLDS_FROM ? [[0, half], [half, columns]] : [[0, columns]]
}

function widthOf(track, [from, to]) {
  return (to - from) * (track.cell + track.gap) - track.gap
}

// The last frame at or before an epoch; the first one before there is any.
function frameAt(frames, epoch) {
  let found = frames[0]
  for (const frame of frames) if (frame.epoch <= epoch) found = frame
  return found
}

function decode(film, frame, bytes) {
  const done = () => {
    film.waiting -= 1
    film.root.dataset.ready = String(!film.waiting)
    if (film.drawn?.has(frame)) ask(film)
  }
  createImageBitmap(new Blob([bytes], { type: "image/png" }), { colorSpaceConversion: "none" })
    .then(picture => (frame.picture = picture), () => (frame.lost = true))
    .then(done)
}

// Takes the frames of a message; those it has already are kept as they are. Returns the tracks.
function load(film, { head, buffer, start }) {
  const known = new Map()
  film.tracks.forEach(track => track.strips.forEach(strip => strip.frames.forEach(frame => known.set(frame.name, frame))))
  let at = start
  const fresh = []
  head.tracks.forEach((track, t) =>
    track.strips.forEach((strip, s) => {
      strip.frames = strip.frames.map(([epoch, size, check]) => {
        const bytes = new Uint8Array(buffer, at, size)
        at += align(size)
        const name = [t, s, epoch, size, check].join("/")
        if (known.has(name)) return known.get(name)
        const frame = { epoch, name, picture: null }
        fresh.push([frame, bytes])
        return frame
      })
    }),
  )
  film.waiting += fresh.length
  film.root.dataset.ready = String(!film.waiting)
  fresh.forEach(([frame, bytes]) => decode(film, frame, bytes))
  return head.tracks
}

// The tracks without their frames: while this stays the same, so do the elements on the page.
const shapeOf = head => JSON.stringify(head, (key, value) => (key === "frames" ? undefined : value))

function take(film, block) {
  const shape = shapeOf(block.head)
  const tracks = load(film, block)
  film.most = block.head.scale
  const epochs = new Set(tracks.flatMap(({ strips }) => strips.filter(strip => !strip.fixed).flatMap(strip => strip.frames.map(frame => frame.epoch))))
  film.alone = epochs.size === 1 ? [...epochs][0] : undefined // then the page has no epoch bar
  if (film.shape === shape) {
    film.tracks.forEach((track, t) => (track.strips = tracks[t].strips))
    return draw(film)
  }
  Object.assign(film, { shape, tracks })
  build(film)
}

function buildPart(film, track, range) {
  const box = make("div", "part")
  const canvas = make("canvas")
  canvas.setAttribute("role", "img")
  const labels = make("div", "labels")
  labels.replaceChildren(...track.strips.map(strip => make("span", "", strip.label)))
  const columns = make("div", "columns")
  const named = track.heads.slice(...range)
  columns.replaceChildren(...named.map(name => make("span", "", name)))
  columns.style.gridTemplateColumns = `repeat(${range[1] - range[0]}, 1fr)`
  if (named.length) box.append(columns)
  if (film.labelled) box.append(labels)
  box.append(canvas)
  wire(canvas)
  return { box, canvas, labels, columns, range }
}

function wire(canvas) {
  canvas.tabIndex = 0
  canvas.onkeydown = event => {
    const moves = {
      ArrowLeft: { kind: "step", by: -1 },
      ArrowRight: { kind: "step", by: 1 },
      Home: { kind: "first" },
      End: { kind: "last" },
      " ": { kind: "toggle" },
    }
    if (!moves[event.key] || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    move(moves[event.key])
  }
  let from = null
  canvas.onpointerdown = event => {
    if (event.button !== 0) return
    from = event.clientX
    canvas.setPointerCapture(event.pointerId)
    move({ kind: "grab" })
  }
  canvas.onpointermove = event => {
    if (from === null) return
    move({ kind: "drag", share: (event.clientX - from) / canvas.clientWidth })
  }
  canvas.onpointerup = canvas.onpointercancel = () => (from = null)
}

function build(film) {
  const folds = film.phone.matches
  film.labelled = film.tracks.some(track => track.strips.some(strip => strip.label))
  film.root.dataset.beside = String(film.tracks.length > 1 && film.tracks.every(track => track.beside))
  film.root.replaceChildren(
    ...film.tracks.map(track => {
      const box = make("div", "track")
      const name = make("p", "name", track.title)
      track.after = make("span", "after")
      name.append(track.title ? " " : "", track.after)
      track.parts = parts(track.columns, folds && track.rows === 1).map(range => buildPart(film, track, range))
      track.lost = make("p", "lost")
      box.append(name, ...track.parts.map(part => part.box), track.lost)
      return box
    }),
  )
  fit(film)
}

// One width for all labels, so that the columns of all tracks stand below each other.
function labelWidth(film) {
  if (!film.labelled) return 0
  const all = film.tracks.flatMap(track => track.parts.map(part => part.labels))
  all.forEach(labels => (labels.style.width = "auto"))
  const width = Math.max(...all.map(labels => labels.offsetWidth))
  all.forEach(labels => (labels.style.width = `${width}px`))
  return width + LABEL_GAP
}

function fit(film) {
  const density = window.devicePixelRatio || 1
  const labels = labelWidth(film)
  for (const track of film.tracks) {
    const widest = widthOf(track, track.parts[0].range)
    const room = track.parts[0].box.clientWidth - labels
    if (room <= 0) continue
    track.scale = scaleFor(widest, room, density, film.most)
    const height = track.strips.length * (track.height + track.gap) - track.gap
    for (const part of track.parts) {
      const size = [widthOf(track, part.range) * track.scale, height * track.scale]
      if (part.canvas.width !== size[0] || part.canvas.height !== size[1]) Object.assign(part.canvas, { width: size[0], height: size[1] })
      part.canvas.style.width = part.columns.style.width = `${size[0] / density}px`
      part.canvas.style.height = part.labels.style.height = `${size[1] / density}px`
    }
    film.root.dataset.scale = String(track.scale)
  }
  draw(film)
}

function paint(track, part, shown) {
  const context = part.canvas.getContext("2d", { alpha: false })
  const { scale } = track
  const [from, to] = part.range
  const left = from * (track.cell + track.gap)
  const width = widthOf(track, [from, to])
  context.imageSmoothingEnabled = false
  context.fillStyle = GAP_GREY
  context.fillRect(0, 0, part.canvas.width, part.canvas.height)
  shown.forEach((frame, row) => {
    const top = row * (track.height + track.gap) * scale
    if (frame.picture) context.drawImage(frame.picture, left, 0, width, track.height, 0, top, width * scale, track.height * scale)
    else {
      context.fillStyle = BLACK
      context.fillRect(0, top, width * scale, track.height * scale)
    }
  })
}

function draw(film) {
  const told = Number(document.documentElement.dataset.epoch)
  const epoch = told || film.alone
  if (!epoch) return
  film.drawn = new Set()
  for (const track of film.tracks) {
    if (!track.scale) continue
    const shown = track.strips.map(strip => frameAt(strip.frames, epoch))
    shown.forEach(frame => film.drawn.add(frame))
    const moving = shown.filter((frame, row) => !track.strips[row].fixed)
    const late = Math.min(...moving.map(frame => frame.epoch))
    track.after.textContent = late === epoch ? `after epoch ${epoch}` : `after epoch ${late}, the last one kept before ${epoch}`
    track.lost.textContent = shown.some(frame => frame.lost) ? "A picture of this epoch does not read." : ""
    track.parts.forEach((part, index) => {
      const half = track.parts.length > 1 ? `, part ${index + 1} of ${track.parts.length}` : ""
      part.canvas.setAttribute("aria-label", `${track.alt} after epoch ${late}${half}`)
      paint(track, part, shown)
    })
  }
  film.root.dataset.epoch = String(epoch)
}

function ask(film) {
  film.queued ??= requestAnimationFrame(() => {
    film.queued = undefined
    draw(film)
  })
}

function mount(root) {
  const film = { root, tracks: [], waiting: 0, phone: window.matchMedia(PHONE) }
  film.listener = () => draw(film)
  document.addEventListener(EPOCH, film.listener)
  film.phone.onchange = () => build(film)
  film.sizes = new ResizeObserver(() => fit(film))
  film.sizes.observe(root)
  return film
}

export default function (component) {
  const { data, parentElement } = component
  const root = parentElement.querySelector(".film")
  if (!root || !data?.length) return
  const film = films.get(root) ?? mount(root)
  films.set(root, film)
  if (film.data !== data) {
    film.data = data
    take(film, unpack(data))
  }
  return () => {
    document.removeEventListener(EPOCH, film.listener)
    film.phone.onchange = null
    film.sizes.disconnect()
    cancelAnimationFrame(film.queued)
    films.delete(root)
  }
}
