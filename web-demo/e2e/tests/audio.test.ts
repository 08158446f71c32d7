import assert from 'node:assert/strict';
import { test } from 'node:test';
import { analyseTone, tone, wav } from '../harness/audio.ts';
import { CHIRPS, chirpsWav, findChirps, MIDDLES, ROUND } from '../harness/chirps.ts';

const RATE = 48_000;

/** Small deterministic noise, so that a failure repeats. */
function noise(length: number, amplitude: number): Float32Array {
  let state = 1;
  return Float32Array.from({ length }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return amplitude * (state / 2 ** 30 - 1);
  });
}

test('a clean tone has a high ratio and no gap', () => {
  const report = analyseTone(tone(440, 0.5, 3), RATE, 440);
  assert.ok(report.snrDb > 90, `${report.snrDb}`);
  assert.ok(Math.abs(report.amplitude - 0.5) < 1e-4);
  assert.deepEqual(report.gaps, []);
});

test('the ratio is the one that was mixed', () => {
  const samples = tone(440, 0.5, 3);
  const added = noise(samples.length, 0.05);
  const power = added.reduce((sum, x) => sum + x * x, 0) / added.length;
  const wanted = 10 * Math.log10(0.125 / power);
  const report = analyseTone(
    samples.map((x, i) => x + (added[i] ?? 0)),
    RATE,
    440,
  );
  assert.ok(Math.abs(report.snrDb - wanted) < 0.2, `${report.snrDb}, mixed at ${wanted}`);
});

test('a clock that is 300 parts per million off is no noise', () => {
  const report = analyseTone(tone(440 * 1.0003, 0.5, 5), RATE, 440);
  assert.ok(report.snrDb > 60, `${report.snrDb}`);
  assert.ok(Math.abs(report.hz - 440.132) < 0.001, `${report.hz}`);
  assert.deepEqual(report.gaps, []);
});

test('a receiver that changes its speed a little makes no noise', () => {
  let phase = 0;
  const samples = Float32Array.from({ length: 3 * RATE }, (_, i) => {
    phase += (440 / RATE) * (1 + 0.0015 * Math.sin((2 * Math.PI * i) / (3 * RATE)));
    return 0.5 * Math.sin(2 * Math.PI * phase);
  });
  const report = analyseTone(samples, RATE, 440);
  assert.ok(report.snrDb > 40, `${report.snrDb}`);
  assert.deepEqual(report.gaps, []);
});

test('twenty silent milliseconds are a gap, where they are', () => {
  const samples = tone(440, 0.5, 3);
  samples.fill(0, RATE, RATE + RATE / 50);
  const { gaps, snrDb } = analyseTone(samples, RATE, 440);
  assert.deepEqual(
    gaps.map((gap) => gap.kind),
    ['silence', 'silence'],
  );
  assert.equal(gaps[0]?.at, 1);
  assert.ok(snrDb < 30);
});

test('a packet left out is a leap, even when nothing falls silent', () => {
  const whole = tone(440, 0.5, 3);
  const cut = new Float32Array(whole.length - 960);
  cut.set(whole.subarray(0, RATE));
  cut.set(whole.subarray(RATE + 960), RATE);
  const { gaps } = analyseTone(cut, RATE, 440);
  assert.deepEqual(gaps, [{ at: 1, kind: 'leap' }]);
});

test('silence and a wrong tone are far below any bar', () => {
  assert.ok(analyseTone(new Float32Array(RATE), RATE, 440).snrDb < 0);
  assert.ok(analyseTone(tone(523, 0.5, 1), RATE, 440).snrDb < 0);
});

test('a WAV file holds header and samples of both channels', () => {
  const file = wav([tone(440, 0.5, 0.1), tone(440, 0.25, 0.1)]);
  assert.equal(file.length, 44 + 4_800 * 4);
  assert.equal(file.toString('latin1', 0, 4), 'RIFF');
  assert.equal(file.readUInt16LE(22), 2);
  assert.equal(
    file.readInt16LE(44 + 27 * 4),
    Math.round(0.5 * 32_767 * Math.sin((2 * Math.PI * 440 * 27) / RATE)),
  );
});

test('chirps tell which they are, one that is missing or comes twice included', () => {
  const file = chirpsWav();
  const round = Float32Array.from(
    { length: ROUND },
    (_, i) => file.readInt16LE(44 + i * 4) / 32_767,
  );
  const heard = findChirps(round);
  assert.deepEqual(
    heard.map(({ number }) => number),
    Array.from({ length: CHIRPS }, (_, number) => number),
  );
  const off = heard.map(({ at }, number) => Math.abs(at - (MIDDLES[number] ?? NaN)));
  assert.ok(Math.max(...off) <= 1, off.join(' '));

  const missing = round.slice();
  const [fifth = 0, sixth = 0] = MIDDLES.slice(5);
  missing.fill(0, fifth - 1_000, fifth + 1_000);
  const without = findChirps(missing).map(({ number }) => number);
  assert.deepEqual(without.slice(2, 8), [2, 3, 4, 6, 7, 8]);

  const twice = round.slice();
  twice.set(round.subarray(fifth - 1_000, fifth + 1_000), (fifth + sixth) / 2 - 1_000);
  const numbers = findChirps(twice).map(({ number }) => number);
  assert.equal(numbers.length, CHIRPS + 1);
  assert.notDeepEqual(numbers.slice(5, 8), [5, 6, 7]);
});
