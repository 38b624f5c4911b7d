// A player with its waveform: plays a stretch, slower or again, and lights up characters as they are heard.

import WaveSurfer from "./vendor/wavesurfer-8.0.1.esm.js";
import Regions from "./vendor/wavesurfer-regions-8.0.1.esm.js";

export const RATES = [0.5, 0.6, 0.75, 0.9, 1, 1.25, 1.5];
const LONGEST_STEP = 0.5;

const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const colours = () => ({
  waveColor: colour("--wave"), progressColor: colour("--wave-played"), cursorColor: colour("--wave-cursor"),
});

export class Player {
  // `characters` are elements with data-start and data-end in seconds of the recording; `nonce` is that of the page.
  constructor(container, characters, nonce) {
    this.characters = characters.map(element => ({
      element, start: Number(element.dataset.start), end: Number(element.dataset.end),
    })).filter(each => each.element.dataset.start !== undefined);
    this.offset = 0;
    this.rate = RATES.indexOf(1);
    this.listened = 0;
    this.broken = false;
    this.regions = Regions.create();
    this.wave = WaveSurfer.create({
      container, height: 88, barWidth: 2, barGap: 1, barRadius: 1, cursorWidth: 2, normalize: true, dragToSeek: true,
      cspNonce: nonce, plugins: [this.regions], ...colours(),
    });
    this.last = 0;
    this.stop = null;
    this.wave.on("timeupdate", time => this.#passed(time));
    this.wave.on("seeking", time => { this.last = time; this.#light(time); });
    this.wave.on("finish", () => this.#light(-1));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.wave.setOptions(colours()));
  }

  // Load the sound at `url`, which begins at `offset` seconds of the recording.
  async load(url, offset) {
    this.offset = offset;
    this.stop = null;
    this.last = 0;
    this.broken = false;
    this.regions.clearRegions();
    try {
      await this.wave.load(url);
    } catch (error) {
      if (error.name !== "AbortError") { this.broken = true; throw error; }
    }
    this.wave.setPlaybackRate(RATES[this.rate], true);
  }

  get playing() { return this.wave.isPlaying(); }
  get ready() { return !this.broken && this.wave.getDuration() > 0; }

  toggle() { if (this.playing) this.wave.pause(); else this.play(); }

  play() { return this.wave.play().catch(() => {}); }

  // Play from `start` to `end`, both in seconds of the recording; without them all from the beginning.
  again(start = this.offset, end = null) {
    this.wave.setTime(Math.max(0, start - this.offset));
    this.stop = end === null ? null : end - this.offset;
    return this.play();
  }

  seek(seconds) {
    this.wave.setTime(Math.min(this.wave.getDuration(), Math.max(0, this.wave.getCurrentTime() + seconds)));
  }

  // One step slower (-1) or faster (1), the pitch as it is. Gives the rate.
  step(steps) {
    this.rate = Math.min(RATES.length - 1, Math.max(0, this.rate + steps));
    this.wave.setPlaybackRate(RATES[this.rate], true);
    return RATES[this.rate];
  }

  // A region whose ends can be dragged; `moved(start, end)` is told in seconds of the recording.
  mark(start, end, moved) {
    this.regions.clearRegions();
    this.region = this.regions.addRegion({
      start: start - this.offset, end: end - this.offset, drag: false, resize: true, minLength: 0.1,
      color: colour("--wave-region"),
    });
    this.region.on("update", () => moved(this.region.start + this.offset, this.region.end + this.offset));
  }

  #passed(time) {
    const step = time - this.last;
    if (this.playing && step > 0 && step < LONGEST_STEP) this.listened += step;
    this.last = time;
    if (this.stop !== null && time >= this.stop) { this.stop = null; this.wave.pause(); }
    this.#light(time);
  }

  #light(time) {
    const now = time + this.offset;
    for (const { element, start, end } of this.characters) {
      element.classList.toggle("now", now >= start && now < end);
      element.classList.toggle("heard", now >= end && time >= 0);
    }
  }
}
