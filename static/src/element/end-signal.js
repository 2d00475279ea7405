// @ts-check
/**
 * Tells a reader who has asked for it that tasks have ended: by a short sound, and by a notification of the system while
 * the page is hidden.
 *
 * Browsers allow both only after a click, and notifications neither in frames of other sites nor without HTTPS.
 */
import { say } from "./words.js";

/** Two notes: up for success, down otherwise. */
const NOTES_HZ = { good: [659.3, 880], bad: [440, 329.6] };
const NOTE_S = 0.16;
const VOLUME = 0.12;

export class EndSignal {
  /** @type {AudioContext|null} null while it is off */
  #audio = null;

  get isOn() {
    return this.#audio !== null;
  }

  /**
   * Turn it on. Call this in a click handler.
   *
   * @returns {Promise<string>} what the browser does not allow; empty if it allows everything
   */
  async turnOn() {
    this.#audio = new AudioContext();
    this.#audio.resume();
    const permission = "Notification" in globalThis ? await Notification.requestPermission() : "denied";
    return permission === "granted" ? "" : say("notify.sound");
  }

  turnOff() {
    this.#audio?.close();
    this.#audio = null;
  }

  /**
   * Signal an end, and turn it off.
   *
   * @param {object} end
   * @param {string} end.title
   * @param {string} [end.text]
   * @param {string} end.tag a notification replaces an earlier one with the same tag
   * @param {boolean} end.isGood
   */
  send({ title, text = "", tag, isGood }) {
    if (!this.#audio) return;
    const audio = this.#audio;
    this.#audio = null;
    play(audio, isGood ? NOTES_HZ.good : NOTES_HZ.bad);
    if (document.visibilityState === "visible" || globalThis.Notification?.permission !== "granted") return;
    const notification = new Notification(title, { body: text, tag });
    notification.addEventListener("click", () => {
      focus();
      notification.close();
    });
  }
}

/** Play notes one after the other, then release the audio device. */
function play(/** @type {AudioContext} */ audio, /** @type {number[]} */ notes_hz) {
  notes_hz.forEach((frequency, index) => {
    const start = audio.currentTime + index * NOTE_S;
    const gain = new GainNode(audio, { gain: 0 });
    gain.gain.setValueAtTime(0, start);
    gain.gain.linearRampToValueAtTime(VOLUME, start + 0.015);
    gain.gain.exponentialRampToValueAtTime(0.001, start + 2 * NOTE_S);
    gain.connect(audio.destination);
    const note = new OscillatorNode(audio, { type: "triangle", frequency });
    note.connect(gain);
    note.start(start);
    note.stop(start + 2 * NOTE_S);
    if (index === notes_hz.length - 1) note.addEventListener("ended", () => audio.close());
  });
}
