/** A least-squares fit of `sin` and `cos` of one frequency, and a constant, to samples. */
interface Fit {
  /** Amplitude of the tone, full scale being 1. */
  amplitude: number;
  /** Phase in cycles, from 0 to 1, at the first sample. */
  phase: number;
  /** Power of what is left when the tone is taken away. */
  residual: number;
}

/** What was found when samples were held against a tone. */
export interface ToneReport {
  /** The frequency that fits best, within 0.2 % of the one asked for, in Hz. */
  hz: number;
  amplitude: number;
  /** Power of the tone to the power of everything else, fitted in windows of 200 ms. */
  snrDb: number;
  /** Places where the tone falls silent or its phase leaps: dropped, repeated or invented sound. */
  gaps: Gap[];
}

/** One disturbance. */
export interface Gap {
  /** Where, in seconds from the first sample. */
  at: number;
  kind: 'silence' | 'leap';
}

/** Solves a 3x3 system by Cramer's rule; the three functions of a fit are never dependent. */
function solve3(m: readonly number[][], v: readonly number[]): [number, number, number] {
  const det = (a: readonly number[][]): number => {
    const at = (r: number, c: number): number => a[r]?.[c] ?? 0;
    return (
      at(0, 0) * (at(1, 1) * at(2, 2) - at(1, 2) * at(2, 1)) -
      at(0, 1) * (at(1, 0) * at(2, 2) - at(1, 2) * at(2, 0)) +
      at(0, 2) * (at(1, 0) * at(2, 1) - at(1, 1) * at(2, 0))
    );
  };
  const whole = det(m);
  const part = (column: number): number =>
    det(m.map((row, r) => row.map((x, c) => (c === column ? (v[r] ?? 0) : x)))) / whole;
  return [part(0), part(1), part(2)];
}

function fit(samples: Float32Array, rate: number, hz: number): Fit {
  const step = (2 * Math.PI * hz) / rate;
  let [ss, cc, sc, s1, c1, xs, xc, x1, xx] = [0, 0, 0, 0, 0, 0, 0, 0, 0];
  for (let i = 0; i < samples.length; i++) {
    const s = Math.sin(step * i);
    const c = Math.cos(step * i);
    const x = samples[i] ?? 0;
    ss += s * s;
    cc += c * c;
    sc += s * c;
    s1 += s;
    c1 += c;
    xs += x * s;
    xc += x * c;
    x1 += x;
    xx += x * x;
  }
  const n = samples.length;
  const [a, b, d] = solve3(
    [
      [ss, sc, s1],
      [sc, cc, c1],
      [s1, c1, n],
    ],
    [xs, xc, x1],
  );
  const residual = Math.max(0, xx - (a * xs + b * xc + d * x1)) / n;
  const phase = Math.atan2(b, a) / (2 * Math.PI);
  return { amplitude: Math.hypot(a, b), phase: (phase + 1) % 1, residual };
}

/**
 * The best frequency near the one asked for. A player may run a few parts in ten thousand
 * fast or slow to follow the sender's clock, which is no fault in the sound, yet would
 * spoil a fit of many seconds at the nominal frequency.
 */
function refine(samples: Float32Array, rate: number, hz: number): number {
  // The residual is smooth within one over the duration of the true frequency: step
  // through in half of that, then close in on the best.
  const reach = hz * 0.002;
  const coarse = Math.max(reach / 64, rate / samples.length / 4);
  let best = hz;
  let least = fit(samples, rate, hz).residual;
  const look = (candidate: number): void => {
    const { residual } = fit(samples, rate, candidate);
    if (residual < least) [least, best] = [residual, candidate];
  };
  for (let f = hz - reach; f <= hz + reach; f += coarse) look(f);
  for (let width = coarse / 2; width > 1e-5 * coarse; width /= 2) {
    const centre = best;
    look(centre - width);
    look(centre + width);
  }
  return best;
}

const WINDOW_S = 0.01;

/** Fits windows of 10 ms: silence is a window far below the tone, a leap a change of phase against it. */
function findGaps(samples: Float32Array, rate: number, hz: number, amplitude: number): Gap[] {
  const size = Math.round(rate * WINDOW_S);
  const gaps: Gap[] = [];
  let before: number | undefined;
  for (let start = 0; start + size <= samples.length; start += size) {
    const window = fit(samples.subarray(start, start + size), rate, hz);
    if (window.amplitude < amplitude / 4) {
      gaps.push({ at: start / rate, kind: 'silence' });
      before = undefined;
      continue;
    }
    const offset = (((window.phase - (start * hz) / rate) % 1) + 1) % 1;
    if (before !== undefined) {
      const turn = Math.abs(offset - before);
      if (Math.min(turn, 1 - turn) > 0.03) gaps.push({ at: start / rate, kind: 'leap' });
    }
    before = offset;
  }
  return gaps;
}

// Long enough for a fit to tell noise from tone, short enough that a receiver that changes
// its speed by a part in a thousand meanwhile does not look like noise.
const FIT_S = 0.2;

/** Holds samples against a tone of `hz`. Costs about a hundred passes over the samples. */
export function analyseTone(samples: Float32Array, rate: number, hz: number): ToneReport {
  if (samples.length < rate / 10) throw new Error(`${samples.length} samples are too few to judge`);
  const best = refine(samples, rate, hz);
  const size = Math.min(samples.length, Math.round(rate * FIT_S));
  let [power, residual, windows] = [0, 0, 0];
  for (let start = 0; start + size <= samples.length; start += size) {
    const window = samples.subarray(start, start + size);
    const found = fit(window, rate, refine(window, rate, hz));
    power += found.amplitude ** 2 / 2;
    residual += found.residual;
    windows += 1;
  }
  const amplitude = Math.sqrt((2 * power) / windows);
  const snrDb = 10 * Math.log10(power / Math.max(residual, windows * 1e-12));
  return { hz: best, amplitude, snrDb, gaps: findGaps(samples, rate, best, amplitude) };
}

/** One channel of a tone. */
export function tone(hz: number, amplitude: number, seconds: number, rate = 48_000): Float32Array {
  return Float32Array.from(
    { length: Math.round(seconds * rate) },
    (_, i) => amplitude * Math.sin((2 * Math.PI * hz * i) / rate),
  );
}

/** A 16-bit PCM WAV file of channels of one length. */
export function wav(channels: readonly Float32Array[], rate = 48_000): Buffer {
  const frames = channels[0]?.length ?? 0;
  const block = channels.length * 2;
  const file = Buffer.alloc(44 + frames * block);
  file.write('RIFF', 0);
  file.writeUInt32LE(36 + frames * block, 4);
  file.write('WAVEfmt ', 8);
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(channels.length, 22);
  file.writeUInt32LE(rate, 24);
  file.writeUInt32LE(rate * block, 28);
  file.writeUInt16LE(block, 32);
  file.writeUInt16LE(16, 34);
  file.write('data', 36);
  file.writeUInt32LE(frames * block, 40);
  for (const [c, channel] of channels.entries()) {
    for (let i = 0; i < frames; i++) {
      file.writeInt16LE(
        Math.round(Math.max(-1, Math.min(1, channel[i] ?? 0)) * 32_767),
        44 + i * block + c * 2,
      );
    }
  }
  return file;
}
