// The page's one epoch scrubber. Films listen to it on the document: they draw while it moves, and the server hears of
// it when it rests. shared.js and transport.js stand before this file when it is sent.

const bars = new WeakMap()

function nearest(epochs, epoch) {
  let best = 0
  epochs.forEach((one, index) => {
    if (Math.abs(one - epoch) <= Math.abs(epochs[best] - epoch)) best = index
  })
  return best
}

function publish(bar, at) {
  const epoch = bar.epochs[at]
  bar.root.dataset.epoch = String(epoch)
  document.documentElement.dataset.epoch = String(epoch)
  document.dispatchEvent(new CustomEvent(EPOCH, { detail: { epoch } }))
}

function asked(bar, { kind, by, share }) {
  const { transport } = bar
  if (kind === "step") transport.go(transport.at + by)
  else if (kind === "first") transport.go(0)
  else if (kind === "last") transport.go(transport.end)
  else if (kind === "toggle") transport.toggle()
  else if (kind === "grab") bar.grabbed = transport.at
  else if (kind === "drag") transport.go(bar.grabbed + share * transport.count)
}

function mount(root, data) {
  const bar = { root, epochs: [] }
  bar.transport = new Transport(root, {
    speeds: data.speeds,
    speed: data.speed,
    draw: at => publish(bar, at),
    words: at => {
      const [epoch, last] = [bar.epochs[at], bar.epochs.at(-1)]
      return [`epoch ${epoch} of ${last}`, `epoch ${epoch} of ${last}`]
    },
    rest: at => {
      bar.told = bar.epochs[at]
      bar.said += 1
      root.dataset.told = String(bar.told)
      bar.send("rest", { epoch: bar.told, said: bar.said })
    },
  })
  bar.listener = event => asked(bar, event.detail)
  document.addEventListener(MOVE, bar.listener)
  return bar
}

function begin(bar, data) {
  bar.epochs = data.epochs
  bar.said = data.heard
  bar.told = data.at
  bar.transport.hold(data.epochs.length, nearest(data.epochs, data.at))
}

// The server's word counts once it has heard all that was said here; until then it speaks of the past.
function receive(bar, data) {
  const { transport } = bar
  const [before, shown] = [bar.epochs, bar.epochs[transport.at]]
  bar.epochs = data.epochs
  const moved = data.heard === bar.said && data.at !== bar.told
  const follows = bar.told === before.at(-1) && data.at === data.epochs.at(-1)
  if (moved) bar.told = data.at
  if (moved && !(follows && transport.moving)) transport.hold(data.epochs.length, nearest(data.epochs, data.at))
  else {
    transport.grow(data.epochs.length, nearest(data.epochs, shown))
    transport.told = bar.epochs.indexOf(bar.told)
    transport.draw()
  }
}

export default function (component) {
  const { data, parentElement, setStateValue } = component
  const root = parentElement.querySelector(".bar")
  if (!root || !data?.epochs?.length) return
  const known = bars.get(root)
  const bar = known ?? mount(root, data)
  bars.set(root, bar)
  bar.send = setStateValue
  if (known) receive(bar, data)
  else begin(bar, data)
  return () => {
    bar.transport.close()
    document.removeEventListener(MOVE, bar.listener)
    delete document.documentElement.dataset.epoch
    bars.delete(root)
  }
}
