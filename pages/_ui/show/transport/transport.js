// The bar that plays and scrubs: play, pause, speed, arrow keys, a slider. It keeps the place and asks the server
// nothing; what is seen at a place is its owner's matter. It says where it rests a moment after it came to rest.
// shared.js stands before this file when it is sent.

const SETTLE_MS = 300
const LONGEST_STEP_MS = 250 // after a pause that nobody asked for (a hidden tab) the film goes on where it was
const PLAY = "M8 5v14l11-7z"
const PAUSE = "M6 5h4v14H6zM14 5h4v14h-4z"
const STEP = "M5 5v14l9-7zM16 5h3v14h-3z"

class Transport {
  // draw(at): show that place. rest(at): the reader has come to rest there. words(at): [spoken, shown] for a place.
  constructor(root, { speeds, speed, draw, rest, words, chosen }) {
    Object.assign(this, { root, speeds, speed, owner: { draw, rest, words }, at: 0, count: 0, told: 0, playing: false })
    this.parts = Object.fromEntries(["first", "back", "play", "forward", "last", "time", "clock"].map(name => [name, root.querySelector(`.${name}`)]))
    this.still = window.matchMedia("(prefers-reduced-motion: reduce)")
    this.still.onchange = () => {
      this.pause()
      this.show()
    }
    this.wire(root.querySelector(".speed select"), chosen)
  }

  get end() {
    return this.count - 1
  }

  get moving() {
    return this.playing || this.timer !== undefined
  }

  wire(select, chosen) {
    const { first, back, play, forward, last, time } = this.parts
    select.replaceChildren(...this.speeds.map(speed => Object.assign(make("option", "", `${speed}/s`), { value: String(speed) })))
    select.value = String(this.speed)
    select.onchange = () => {
      this.speed = Number(select.value)
      chosen?.(this.speed)
    }
    time.oninput = () => this.go(Number(time.value))
    play.onclick = () => this.toggle()
    first.onclick = () => this.go(0)
    back.onclick = () => this.go(this.at - 1)
    forward.onclick = () => this.go(this.at + 1)
    last.onclick = () => this.go(this.end)
    this.root.addEventListener("keydown", event => {
      if (event.key !== " " || ["SELECT", "BUTTON"].includes(event.target.tagName)) return
      event.preventDefault()
      this.toggle()
    })
  }

  // The owner puts the place somewhere: that is no move of the reader's, and is not told.
  hold(count, at) {
    this.count = count
    this.at = this.told = this.inside(at)
    this.pause()
    this.draw()
  }

  // There are more places than before, and the reader stays where they are.
  grow(count, at = this.at) {
    this.count = count
    this.at = this.inside(at)
  }

  inside(at) {
    return Math.max(0, Math.min(Math.round(at), this.end))
  }

  go(to) {
    if (!this.count) return
    this.playing = false
    this.at = this.inside(to)
    this.queued ??= requestAnimationFrame(() => this.draw())
    this.settle()
  }

  toggle() {
    if (!this.count) return
    if (this.still.matches) this.go(this.at >= this.end ? 0 : this.at + 1) // steps in place of an animation
    else if (this.playing) {
      this.playing = false
      this.draw()
      this.settle()
    } else this.play()
  }

  play() {
    this.quiet()
    this.playing = true
    if (this.at >= this.end) this.at = 0
    let before = performance.now()
    let owed = 0
    const tick = now => {
      if (!this.playing || !this.root.isConnected) return
      owed += (Math.max(0, Math.min(now - before, LONGEST_STEP_MS)) / 1000) * this.speed
      before = now
      const steps = Math.floor(owed)
      owed -= steps
      if (steps) this.at = this.inside(this.at + steps)
      if (this.at >= this.end) this.playing = false
      if (steps) this.draw()
      if (this.playing) requestAnimationFrame(tick)
      else this.settle()
    }
    this.draw()
    requestAnimationFrame(tick)
  }

  pause() {
    this.playing = false
    this.quiet()
  }

  quiet() {
    clearTimeout(this.timer)
    this.timer = undefined
  }

  settle() {
    this.quiet()
    this.timer = setTimeout(() => {
      this.timer = undefined
      if (this.playing || this.told === this.at) return
      this.told = this.at
      this.owner.rest(this.at)
    }, SETTLE_MS)
  }

  draw() {
    cancelAnimationFrame(this.queued)
    this.queued = undefined
    if (!this.count) return
    this.at = this.inside(this.at)
    this.owner.draw(this.at)
    this.show()
  }

  show() {
    if (!this.count) return
    const { first, back, forward, last, time, clock } = this.parts
    const [spoken, shown] = this.owner.words(this.at)
    if (time.max !== String(this.end)) time.max = String(this.end)
    if (time.value !== String(this.at)) time.value = String(this.at)
    time.setAttribute("aria-valuetext", spoken)
    clock.textContent = shown
    for (const button of [first, back]) button.setAttribute("aria-disabled", String(this.at === 0))
    for (const button of [forward, last]) button.setAttribute("aria-disabled", String(this.at === this.end))
    this.showPlay(this.still.matches ? ["Step", STEP] : this.playing ? ["Pause", PAUSE] : ["Play", PLAY])
  }

  showPlay([word, path]) {
    const { play } = this.parts
    if (play.getAttribute("aria-label") === word) return
    play.setAttribute("aria-label", word)
    play.querySelector("span").textContent = word
    play.querySelector("path").setAttribute("d", path)
  }

  close() {
    this.pause()
    cancelAnimationFrame(this.queued)
    this.still.onchange = null
  }
}
