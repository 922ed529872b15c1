/**
 * Ring, ringback and warning, synthesised: no files, and silent where the browser does not allow
 * sound yet.
 */

/** Notes of one round: [start in s, frequency in Hz, length in s]; a round repeats after `every` s. */
const SOUNDS = {
  ring: { every: 2.4, volume: 0.22, notes: [[0, 659, 0.5], [0.18, 831, 0.5], [0.36, 988, 0.7], [0.9, 831, 0.5], [1.08, 988, 0.8]] },
  ringback: { every: 3, volume: 0.06, notes: [[0, 440, 0.9], [0, 554, 0.9]] },
  warning: { every: 0, volume: 0.12, notes: [[0, 880, 0.25], [0.2, 698, 0.4]] },
  connected: { every: 0, volume: 0.08, notes: [[0, 659, 0.2], [0.12, 880, 0.35]] },
};

let context = null;
let playing = null;
let timer = null;

/** Browsers allow sound from a person's first tap on. */
export function allowSounds() {
  const unlock = () => {
    context ??= new AudioContext();
    context.resume().catch(() => {});
  };
  for (const gesture of ["pointerdown", "keydown"]) addEventListener(gesture, unlock, { capture: true });
}

/** Repeats a sound until another one, or null, is asked for. */
export function keepPlaying(name) {
  if (playing === name) return;
  playing = name;
  clearInterval(timer);
  if (!name) return;
  play(name);
  timer = setInterval(() => play(name), SOUNDS[name].every * 1000);
  if (name === "ring") navigator.vibrate?.([300, 200, 300]);
}

export function play(name) {
  if (context?.state !== "running") return;
  const { notes, volume } = SOUNDS[name];
  for (const [start, frequency, length] of notes) {
    const oscillator = new OscillatorNode(context, { frequency, type: "sine" });
    const gain = new GainNode(context, { gain: 0 });
    const from = context.currentTime + start;
    gain.gain.setValueAtTime(0, from);
    gain.gain.linearRampToValueAtTime(volume, from + 0.02);
    gain.gain.exponentialRampToValueAtTime(0.0005, from + length);
    oscillator.connect(gain).connect(context.destination);
    oscillator.start(from);
    oscillator.stop(from + length);
  }
}
