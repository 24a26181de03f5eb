// A player: sounds over their spectrograms. Data comes in as `data.tracks` (player.py); nothing goes back to Python.
// Foreign text is only ever set as text, nothing is fetched, and every listener ends with its player.

const players = new WeakMap() // the element Streamlit gives → its Player
const JUMP = 0.5 // seconds, of an arrow key
const SHORTEST = 0.05 // seconds, of a loop
const DRAG = 5 // pixels; less is a click
const SPEEDS = [0.5, 1, 1.5]
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600] // seconds between two labels
const MOST_LABELS = 6
const SVG = "http://www.w3.org/2000/svg"
let pictures = 0
const HINT = "Space play · ← → 0.5 s · drag to loop · Esc clears"

// Called again whenever the data or the theme changes; the function it returned last is called once, at the end.
export default function ({ data, parentElement }) {
  let player = players.get(parentElement)
  if (!player) {
    player = new Player(parentElement)
    players.set(parentElement, player)
  }
  const call = player.show(data.tracks)
  return () => {
    if (player.calls !== call) return // a later call has taken over
    player.close()
    players.delete(parentElement)
  }
}

class Player {
  constructor(parent) {
    this.calls = 0
    this.tracks = []
    this.sounds = [] // an <audio> per track, so that switching needs no loading
    this.index = 0
    this.speed = 1
    this.region = null // [from, to] in seconds
    this.looping = false
    this.layered = true
    this.ended = new AbortController()
    this.build()
    this.listen()
    parent.append(this.root)
  }

  // Elements

  build() {
    this.choice = element("div", "smd-choice", { role: "group", "aria-label": "Sound" })
    this.layer = this.button("Overlay", "Overlay: show or hide it", () => this.toggleLayer())
    this.top = element("div", "smd-top", {}, this.choice, this.layer)
    this.plot = this.buildPlot()
    this.toggle = this.button("", "Play", () => this.playOrPause(), "smd-button smd-play")
    this.time = element("span", "smd-time")
    this.loop = this.button("Loop", "Loop", () => this.setLooping(!this.looping))
    this.speeds = SPEEDS.map((speed) => this.button(`${speed}×`, `${speed}× speed`, () => this.setSpeed(speed)))
    const speeds = element("div", "smd-choice", { role: "group", "aria-label": "Speed" }, ...this.speeds)
    this.scale = element("span", "smd-scale")
    this.bottom = element("div", "smd-bottom", {}, this.toggle, this.time, this.loop, speeds, this.scale)
    this.caption = element("p", "smd-caption")
    this.hint = element("p", "smd-hint")
    this.trouble = element("p", "smd-trouble", { role: "alert" })
    this.root = element("div", "smd-player", { role: "group" })
    this.root.append(this.top, this.plot, this.bottom, this.trouble, this.caption, this.hint)
  }

  buildPlot() {
    this.wave = element("div", "smd-wave")
    const id = `smd-picture-${(pictures += 1)}` // a slider's children are not read out; what describes it is
    this.picture = element("img", "smd-picture", { id, draggable: "false" })
    this.cover = element("img", "smd-picture smd-cover", { alt: "", draggable: "false" })
    this.view = element("div", "smd-view", {}, this.picture, this.cover)
    this.loopArea = element("div", "smd-region")
    this.cursor = element("div", "smd-cursor")
    this.playhead = element("div", "smd-playhead")
    this.pointed = element("div", "smd-pointed")
    this.area = element("div", "smd-area", {
      role: "slider", tabindex: "0", "aria-valuemin": "0", "aria-describedby": id,
      "aria-keyshortcuts": "Space ArrowLeft ArrowRight Home End [ ] Escape",
    }, this.wave, this.view, element("div", "smd-frame", {}, this.loopArea), this.cursor, this.playhead, this.pointed)
    this.heights = element("div", "smd-heights", { "aria-hidden": "true" })
    this.seconds = element("div", "smd-seconds", { "aria-hidden": "true" })
    return element("div", "smd-plot", {}, this.heights, this.area, this.seconds)
  }

  button(text, label, act, kind = "smd-button") {
    const made = element("button", kind, { type: "button", "aria-label": label, title: label })
    made.textContent = text
    made.addEventListener("click", (event) => {
      act()
      if (event.detail > 0) this.area.focus({ preventScroll: true }) // after a mouse click, Space plays
    })
    return made
  }

  // Data

  /** Show tracks; a sound that is there already plays on. Return the number of this call. */
  show(tracks) {
    const now = this.sounds[this.index]
    const old = new Map(this.tracks.map((track, place) => [track.audio, this.sounds[place]]))
    this.sounds = tracks.map((track) => take(old, track.audio) ?? this.newSound(track))
    for (const unused of old.values()) discard(unused)
    this.tracks = tracks
    this.length = Math.max(...tracks.map((track) => track.seconds))
    this.loudest = Math.max(1e-6, ...tracks.flatMap((track) => track.outline.flat().map(Math.abs)))
    if (!this.sounds.includes(now)) {
      this.region = null
      this.looping = false
    }
    this.index = Math.max(0, this.sounds.indexOf(now))
    this.drawChoice()
    this.drawTrack()
    this.calls += 1
    return this.calls
  }

  newSound(track) {
    const made = element("audio", "", { preload: "auto", "aria-label": track.name })
    const { signal } = this.ended
    for (const name of ["play", "pause", "seeked", "timeupdate", "loadedmetadata"]) {
      made.addEventListener(name, () => made === this.sound && this.follow(), { signal })
    }
    made.addEventListener("ended", () => made === this.sound && this.again(), { signal })
    made.addEventListener("error", () => made === this.sound && this.drawTrouble(), { signal })
    made.src = track.audio
    this.root.append(made)
    return made
  }

  get track() { return this.tracks[this.index] }
  get sound() { return this.sounds[this.index] }
  get position() { return Math.min(this.sound.currentTime, this.length) }
  get end() { return Number.isFinite(this.sound.duration) ? this.sound.duration : this.track.seconds }

  // Drawing what changes with the data

  drawChoice() {
    this.choices = this.tracks.map((track, place) => {
      const made = this.button(track.name, track.name, () => this.switchTo(place))
      if (place < 9) made.prepend(element("kbd", "", { "aria-hidden": "true" }, String(place + 1)))
      return made
    })
    this.choice.replaceChildren(...this.choices)
    this.choice.hidden = this.tracks.length < 2
    this.hint.textContent = this.tracks.length > 1 ? `${HINT} · 1–${this.tracks.length} switch` : HINT
  }

  drawTrack() {
    const { axes, scale } = this.track
    this.root.setAttribute("aria-label", `Player: ${this.track.name}`)
    this.area.setAttribute("aria-label", `Position in ${this.track.name}`)
    this.area.setAttribute("aria-valuemax", this.length.toFixed(2))
    this.choices.forEach((made, place) => press(made, place === this.index))
    this.drawPicture(this.picture, this.track.picture, axes)
    this.picture.alt = this.track.alt
    this.drawPicture(this.cover, this.track.overlay, axes)
    this.layer.hidden = !this.track.overlay
    this.top.hidden = this.choice.hidden && this.layer.hidden
    this.cover.hidden = !this.track.overlay || !this.layered
    press(this.layer, this.layered)
    this.drawWave()
    this.drawAxes(axes)
    this.drawScale(scale)
    this.caption.textContent = this.track.caption
    this.caption.hidden = !this.track.caption
    this.drawTrouble()
    this.drawLoop()
    this.follow()
  }

  drawPicture(image, address, axes) {
    if (!address) return image.removeAttribute("src")
    if (image.getAttribute("src") !== address) image.setAttribute("src", address)
    image.style.left = this.share(axes.start)
    image.style.width = this.share(axes.end - axes.start)
  }

  drawWave() {
    const { outline, seconds } = this.track
    const columns = outline.length
    const top = outline.map(([, high], x) => `${x},${(-high / this.loudest).toFixed(3)}`)
    const below = outline.map(([low], x) => `${x},${(-low / this.loudest).toFixed(3)}`).reverse()
    const shapes = ["smd-coming", "smd-played"].map((kind) => {
      const drawing = svg("svg", { viewBox: `0 -1.05 ${Math.max(columns - 1, 1)} 2.1`, preserveAspectRatio: "none",
        class: kind, "aria-hidden": "true" })
      drawing.style.width = this.share(seconds)
      drawing.append(svg("polygon", { points: [...top, ...below].join(" "), "vector-effect": "non-scaling-stroke" }))
      return drawing
    })
    this.played = shapes[1]
    this.wave.replaceChildren(...shapes)
    this.wave.hidden = !columns
  }

  drawAxes(axes) {
    const heights = axes.ticks.map(([height, text]) => {
      const label = element("span", "", {}, text)
      label.style.bottom = `${100 * height}%`
      return label
    })
    this.heights.replaceChildren(element("em", "", {}, heights.length ? "kHz" : ""), ...heights)
    this.heights.hidden = !heights.length
    const step = STEPS.find((size) => this.length / size <= MOST_LABELS) ?? this.length
    const count = Math.floor(this.length / step + 1e-6) + 1
    const labels = Array.from({ length: count }, (_, place) => {
      const label = element("span", "", {}, `${Number((place * step).toFixed(2))}${place === count - 1 ? " s" : ""}`)
      label.style.left = this.share(place * step)
      return label
    })
    this.seconds.replaceChildren(...labels)
  }

  drawScale(scale) {
    this.scale.hidden = !scale
    if (!scale) return
    const bar = element("img", "", { src: scale.picture, alt: "" })
    this.scale.replaceChildren(element("span", "", {}, scale.low), bar, element("span", "", {}, scale.high))
  }

  drawTrouble() {
    const broken = Boolean(this.sound.error)
    this.trouble.hidden = !broken
    this.toggle.disabled = broken
    if (!broken) return
    const link = element("a", "", { href: this.track.audio, download: this.track.file }, "Download the file")
    this.trouble.replaceChildren(`This browser cannot play “${this.track.name}”. `, link, " to hear it elsewhere.")
  }

  drawLoop(region = this.region) {
    this.loopArea.hidden = !region
    if (region) {
      this.loopArea.style.left = this.share(region[0])
      this.loopArea.style.width = this.share(region[1] - region[0])
    }
    press(this.loop, this.looping)
    const said = region ? `Loop ${clock(region[0])} to ${clock(region[1])}` : "Loop"
    this.loop.setAttribute("aria-label", said)
    this.loop.title = region ? `${said}; Esc clears` : "Loop all; drag over the picture to loop a part"
  }

  share(seconds) { return `${(100 * seconds) / this.length}%` }

  // Drawing what changes with time

  /** Follow the sound: once, and at every frame while it plays. */
  follow() {
    cancelAnimationFrame(this.frame)
    const { paused } = this.sound
    if (!paused) this.stayInLoop()
    const { position } = this
    this.playhead.style.left = this.share(position)
    if (this.played) this.played.style.clipPath = `inset(0 ${100 - (100 * position) / this.track.seconds}% 0 0)`
    write(this.time, `${clock(position)} / ${clock(this.track.seconds)}`)
    if (this.root.dataset.playing !== String(!paused)) this.drawToggle(paused)
    this.say(position)
    if (!paused) this.frame = requestAnimationFrame(() => this.follow())
  }

  drawToggle(paused) {
    this.root.dataset.playing = String(!paused)
    const icon = svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" })
    icon.append(svg("path", { d: paused ? "M4 2.2v11.6L13.6 8z" : "M3.5 2.5h3.2v11H3.5zM9.3 2.5h3.2v11H9.3z" }))
    this.toggle.replaceChildren(icon)
    this.toggle.setAttribute("aria-label", paused ? "Play" : "Pause")
    this.toggle.title = `${paused ? "Play" : "Pause"} (Space)`
  }

  /** Tell assistive technology the position, a few times a second at most. */
  say(position) {
    const now = position.toFixed(this.sound.paused ? 2 : 0)
    if (this.area.getAttribute("aria-valuenow") === now) return
    this.area.setAttribute("aria-valuenow", now)
    this.area.setAttribute("aria-valuetext", `${now} of ${this.length.toFixed(1)} seconds`)
  }

  // Playing

  playOrPause() {
    if (!this.sound.paused) return this.sound.pause()
    if (this.looping && this.region && !inside(this.position, this.region)) this.seek(this.region[0])
    return this.play()
  }

  async play() {
    const { sound } = this
    for (const other of document.querySelectorAll("audio, video")) if (!this.root.contains(other)) other.pause()
    sound.playbackRate = this.speed
    try {
      await sound.play()
    } catch (problem) { // paused again before it began, or cannot be decoded
      if (problem.name !== "AbortError") this.drawTrouble()
    }
  }

  pause() { this.sounds.forEach((sound) => sound.pause()) }

  seek(seconds) {
    this.sound.currentTime = Math.min(Math.max(seconds, 0), this.end)
    this.follow()
  }

  /** Go on with another track at the same position; the first falls silent when the other sounds. */
  async switchTo(place) {
    if (place === this.index || place >= this.tracks.length) return
    const { sound: before } = this
    const playing = !before.paused
    const position = before.currentTime
    this.index = place
    this.sound.currentTime = Math.min(position, this.end)
    this.drawTrack()
    if (playing) await this.play()
    if (this.sound !== before) before.pause()
  }

  setSpeed(speed) {
    this.speed = speed
    this.sounds.forEach((sound) => { sound.playbackRate = speed })
    this.speeds.forEach((made, place) => press(made, SPEEDS[place] === speed))
  }

  toggleLayer() {
    this.layered = !this.layered
    this.cover.hidden = !this.layered
    press(this.layer, this.layered)
  }

  // Loop

  setRegion(from, to) {
    const [low, high] = [Math.max(0, Math.min(from, to)), Math.min(this.length, Math.max(from, to))]
    if (high - low < SHORTEST) return
    this.region = [low, high]
    this.looping = true
    this.drawLoop()
    if (!inside(this.position, this.region)) this.seek(low)
  }

  clearRegion() {
    this.region = null
    this.looping = false
    this.drawLoop()
  }

  setLooping(looping) {
    this.looping = looping
    if (!looping) this.region = null
    this.drawLoop()
  }

  stayInLoop() {
    if (this.looping && this.region && this.sound.currentTime >= Math.min(this.region[1], this.end)) {
      this.sound.currentTime = this.region[0]
    }
  }

  again() {
    if (!this.looping) return this.follow()
    this.seek(this.region ? this.region[0] : 0)
    return this.play()
  }

  // Pointer and keys

  listen() {
    const { signal } = this.ended
    const { area } = this
    const on = (target, name, act, options = {}) => target.addEventListener(name, act, { signal, ...options })
    on(area, "pointerdown", (event) => this.grab(event))
    on(area, "pointermove", (event) => this.drag(event))
    on(area, "pointerup", (event) => this.release(event))
    on(area, "pointercancel", () => { this.grabbed = null; this.drawLoop() })
    on(area, "pointerleave", () => { area.classList.remove("smd-hovered") })
    on(area, "dblclick", () => this.clearRegion())
    on(this.root, "keydown", (event) => this.key(event))
    on(document, "play", (event) => { if (!this.root.contains(event.target)) this.pause() }, { capture: true })
    this.setSpeed(1)
  }

  secondsAt(event) {
    const box = this.area.getBoundingClientRect()
    return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * this.length
  }

  grab(event) {
    if (event.button !== 0) return
    this.area.setPointerCapture(event.pointerId)
    this.grabbed = { x: event.clientX, seconds: this.secondsAt(event), far: false }
  }

  drag(event) {
    this.point(event)
    if (!this.grabbed) return
    this.grabbed.far ||= Math.abs(event.clientX - this.grabbed.x) > DRAG
    if (this.grabbed.far) this.drawLoop([this.grabbed.seconds, this.secondsAt(event)].sort((a, b) => a - b))
  }

  release(event) {
    if (!this.grabbed) return
    const { far, seconds } = this.grabbed
    this.grabbed = null
    if (far) {
      this.setRegion(seconds, this.secondsAt(event))
      return this.drawLoop()
    }
    if (this.region && !inside(seconds, this.region)) this.clearRegion()
    return this.seek(seconds)
  }

  /** Say which second and which frequency the mouse is at. */
  point(event) {
    if (event.pointerType !== "mouse") return
    const { hertz } = this.track.axes
    const seconds = this.secondsAt(event)
    const box = this.view.getBoundingClientRect()
    const height = 1 - (event.clientY - box.top) / box.height
    const band = hertz[Math.min(Math.floor(height * hertz.length), hertz.length - 1)]
    const pitch = height >= 0 && height <= 1 && band !== undefined ? ` · ${frequency(band)}` : ""
    write(this.pointed, `${seconds.toFixed(2)} s${pitch}`)
    this.cursor.style.left = this.share(seconds)
    this.pointed.classList.toggle("smd-left", seconds > this.length / 2)
    this.area.classList.add("smd-hovered")
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const act = this.acts(event)
    if (!act) return
    event.preventDefault()
    event.stopPropagation() // the page's own shortcuts are for elsewhere
    act()
  }

  acts({ key, target }) {
    if (/^[1-9]$/.test(key) && Number(key) <= this.tracks.length) return () => this.switchTo(Number(key) - 1)
    if (key === " " && target instanceof HTMLButtonElement) return null // presses the button
    return {
      " ": () => this.playOrPause(),
      ArrowLeft: () => this.seek(this.position - JUMP),
      ArrowRight: () => this.seek(this.position + JUMP),
      Home: () => this.seek(0),
      End: () => this.seek(this.end),
      "[": () => this.setRegion(this.position, this.region ? this.region[1] : this.length),
      "]": () => this.setRegion(this.region ? this.region[0] : 0, this.position),
      Escape: this.region || this.looping ? () => this.clearRegion() : undefined,
    }[key]
  }

  close() {
    this.ended.abort()
    cancelAnimationFrame(this.frame)
    this.sounds.forEach(discard)
    this.root.remove()
  }
}

function element(name, kind, attributes = {}, ...children) {
  const made = document.createElement(name)
  if (kind) made.className = kind
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  made.append(...children)
  return made
}

function svg(name, attributes) {
  const made = document.createElementNS(SVG, name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  return made
}

function take(map, key) {
  const value = map.get(key)
  map.delete(key)
  return value
}

function discard(sound) {
  sound.pause()
  sound.removeAttribute("src")
  sound.load() // lets go of the decoded sound
  sound.remove()
}

function write(place, text) {
  if (place.textContent !== text) place.textContent = text
}

function press(button, pressed) { button.setAttribute("aria-pressed", String(pressed)) }

function inside(seconds, [from, to]) { return seconds >= from && seconds < to }

function frequency(hertz) { return hertz < 1000 ? `${hertz.toFixed(0)} Hz` : `${(hertz / 1000).toFixed(2)} kHz` }

function clock(seconds) {
  const hundredths = Math.round(seconds * 100)
  const minutes = Math.floor(hundredths / 6000)
  return `${minutes}:${((hundredths % 6000) / 100).toFixed(2).padStart(5, "0")}`
}
