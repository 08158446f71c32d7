/** Sound that tells which moment it is: chirps, no two neighbours of which are as far apart. */
import { wav } from './audio.ts';

const RATE = 48_000;

/** Samples of a chirp, and the frequencies it rises between, in Hz. */
const LENGTH = 960;
const [FROM_HZ, TO_HZ] = [1_000, 4_000];
const AMPLITUDE = 0.5;

// The shortest distance of two chirps, by how much distances differ and how many there are: no
// two together are as short as the longest, so that a missing chirp never makes a distance that
// there is. The stride shares no divisor with their count: every one comes once.
const [APART, STEP, DISTANCES, STRIDE] = [19_200, 480, 40, 17];

/** How far a distance may be off, in samples: stretching and a following clock move it. */
const OFF_MAX = 160;

/** A chirp is where it matches this well, 1 being a perfect likeness. */
const LIKENESS_MIN = 0.6;

/** Samples from the middle of chirp `number` to that of the next. */
function distance(number: number): number {
  return APART + STEP * ((number * STRIDE) % DISTANCES);
}

/** Chirps of one round; then it begins again. */
export const CHIRPS = DISTANCES;

/** The middle of each chirp of a round in samples, and the round's length at the end. */
export const MIDDLES: readonly number[] = Array.from({ length: CHIRPS + 1 }).reduce<number[]>(
  (all, _, number) => [...all, number === 0 ? LENGTH : (all.at(-1) ?? 0) + distance(number - 1)],
  [],
);

/** Samples of a round. */
export const ROUND = (MIDDLES.at(-1) ?? 0) - (MIDDLES[0] ?? 0);

function template(): Float32Array {
  return Float32Array.from({ length: LENGTH }, (_, i) => {
    const share = i / LENGTH;
    const turns = (i / RATE) * (FROM_HZ + ((TO_HZ - FROM_HZ) * share) / 2);
    return Math.sin(Math.PI * share) ** 2 * Math.sin(2 * Math.PI * turns);
  });
}

/** A round as a WAV file, to be played over and over. */
export function chirpsWav(): Buffer {
  const samples = new Float32Array(ROUND);
  const chirp = template();
  for (const middle of MIDDLES.slice(0, -1)) {
    chirp.forEach((value, i) => {
      const at = middle - LENGTH / 2 + i;
      samples[at % ROUND] = AMPLITUDE * value;
    });
  }
  return wav([samples, samples]);
}

/** A chirp that was heard. */
export interface Heard {
  /** Where its middle is, in samples. */
  readonly at: number;
  /** Which of the round it is; `undefined` when no neighbour is as far away as it should be. */
  readonly number: number | undefined;
}

/** Finds the chirps in samples at 48 kHz and tells which they are. */
export function findChirps(samples: Float32Array): Heard[] {
  const found = middles(samples);
  const numbers = found.map((at, i): number | undefined => {
    const next = found[i + 1];
    return next === undefined ? undefined : numberOf(next - at);
  });
  return found.map((at, i) => {
    const before = numbers[i - 1];
    return { at, number: numbers[i] ?? (before === undefined ? undefined : (before + 1) % CHIRPS) };
  });
}

function numberOf(samples: number): number | undefined {
  const numbers = Array.from({ length: CHIRPS }, (_, number) => number);
  return numbers.find((number) => Math.abs(samples - distance(number)) <= OFF_MAX);
}

/** The middles of what looks like a chirp, by its correlation with one. */
function middles(samples: Float32Array): number[] {
  const chirp = template();
  const power = Math.sqrt(chirp.reduce((sum, x) => sum + x * x, 0));
  const likeness = (from: number): number => {
    let [dot, energy] = [0, 0];
    for (let i = 0; i < LENGTH; i++) {
      const x = samples[from + i] ?? 0;
      dot += x * (chirp[i] ?? 0);
      energy += x * x;
    }
    return energy === 0 ? 0 : dot / (Math.sqrt(energy) * power);
  };
  const found: number[] = [];
  let at = 0;
  while (at + LENGTH <= samples.length) {
    // Between chirps it is silent: only where it is not there is anything to compare.
    if (Math.abs(samples[at] ?? 0) < AMPLITUDE / 20) {
      at++;
      continue;
    }
    const from = Math.max(0, at - LENGTH / 2);
    let best = { from, value: 0 };
    for (let start = from; start < at + LENGTH / 2 && start + LENGTH <= samples.length; start++) {
      const value = likeness(start);
      if (value > best.value) best = { from: start, value };
    }
    if (best.value > LIKENESS_MIN) {
      found.push(best.from + LENGTH / 2);
      at = best.from + LENGTH;
    } else {
      at += LENGTH / 2;
    }
  }
  return found;
}
