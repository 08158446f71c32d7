/** What the receiver is put through; pure, the same under Node and in a worklet. */

/** An encoded stream. */
export interface Stream {
  readonly bitrate: number;
  readonly frameUs: number;
}

/** A network between source and receiver, for a part of the time. */
export interface Weather {
  /** Share of packets lost at random. */
  readonly loss?: number;
  /** Mean number of packets lost in a row; 1 by default. */
  readonly burst?: number;
  /** One way, in ms. */
  readonly delayMs?: number;
  /** Mean of the exponential delay on top, in ms. */
  readonly jitterMs?: number;
}

/** One row of the table. */
export interface Scenario {
  readonly name: string;
  readonly stream: Stream;
  readonly repair: 'off' | 'auto' | 'robust';
  /** One after the other, five seconds each, from the beginning again. */
  readonly weathers: readonly Weather[];
  /** Samples per second of the sound asked for. */
  readonly rate: number;
}

/** Seconds of each kind of weather. */
export const WEATHER_S = 5;

/** Seconds of each scenario. */
export const SCENARIO_S = 60;

const MUSIC: Stream = { bitrate: 128_000, frameUs: 20_000 };
const CALM: Weather = { delayMs: 10, jitterMs: 1 };
const LOSSY: Weather = { ...CALM, loss: 0.1 };
const BURSTS: Weather = { delayMs: 25, jitterMs: 3, loss: 0.1, burst: 4 };
const ROUGH: Weather = { delayMs: 10, jitterMs: 25 };
const GONE: Weather = { loss: 1 };

const BASE = { stream: MUSIC, repair: 'auto', weathers: [CALM], rate: 48_000 } as const;

/** Everything in turn. */
export const MIXED: Scenario = {
  ...BASE,
  name: 'all of these networks in turn',
  weathers: [CALM, LOSSY, ROUGH, BURSTS, CALM, GONE],
};

/** The rows, best first. */
export const SCENARIOS: readonly Scenario[] = [
  { ...BASE, name: '128 kb/s, clean network' },
  { ...BASE, name: '10 % loss, repaired', weathers: [LOSSY] },
  { ...BASE, name: '10 % loss, copies as well', weathers: [LOSSY], repair: 'robust' },
  { ...BASE, name: '10 % loss, concealed', weathers: [LOSSY], repair: 'off' },
  { ...BASE, name: '10 % loss in bursts of 4', weathers: [BURSTS] },
  { ...BASE, name: 'delay that comes and goes, stretched', weathers: [CALM, ROUGH, CALM, CALM] },
  { ...BASE, name: 'outages of 5 s', weathers: [CALM, GONE] },
  { ...BASE, name: 'to 44.1 kHz', rate: 44_100, weathers: MIXED.weathers },
  {
    ...BASE,
    name: '24 kb/s',
    stream: { bitrate: 24_000, frameUs: 20_000 },
    weathers: MIXED.weathers,
  },
  {
    ...BASE,
    name: '256 kb/s',
    stream: { bitrate: 256_000, frameUs: 20_000 },
    weathers: MIXED.weathers,
  },
  {
    ...BASE,
    name: 'packets of 60 ms',
    stream: { bitrate: 96_000, frameUs: 60_000 },
    weathers: MIXED.weathers,
  },
  MIXED,
];

/** Those for Chromium, where each takes as long as all of them under Node. */
export const IN_CHROMIUM: readonly Scenario[] = [...SCENARIOS.slice(0, 3), MIXED];
