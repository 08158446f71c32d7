// Plays real datagrams through the built module, the way an AudioWorklet does, and checks the
// sound, the statistics, that memory does not grow in process(), and what a quantum costs.
//
//   cargo build -p skywave-worklet --release --target wasm32-unknown-unknown
//   node worklet/smoke.mjs [MODULE.wasm]
import { execFileSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import assert from "node:assert/strict";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const file =
  process.argv[2] ??
  join(root, "target/wasm32-unknown-unknown/release/skywave_worklet.wasm");
const module = new WebAssembly.Module(readFileSync(file));
assert.equal(WebAssembly.Module.imports(module).length, 0, "the module imports nothing");
console.log(`module: ${(statSync(file).size / 1024).toFixed(0)} KB`);

const SECONDS = 10;
const FREQ = 440;

function vectors() {
  const prebuilt = process.env.SKYWAVE_VECTORS;
  const bytes = prebuilt
    ? readFileSync(prebuilt)
    : execFileSync(
        "cargo",
        ["run", "-q", "-p", "skywave-worklet", "--example", "vectors", "--", String(SECONDS)],
        { cwd: root, maxBuffer: 1 << 26 },
      );
  const datagrams = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    datagrams.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return datagrams;
}

/** Least-squares fit of the tone, window by window: signal over the rest, in dB. */
function toneSnr(samples, rate) {
  const length = Math.round(rate * 0.05);
  let signal = 0;
  let noise = 0;
  for (let start = 0; start + length <= samples.length; start += length) {
    let best = null;
    // The player may run a trifle faster or slower to hold its delay.
    for (let ppm = -1500; ppm <= 1500; ppm += 100) {
      const fit = fitWindow(samples.subarray(start, start + length), rate, FREQ * (1 + ppm * 1e-6));
      if (best === null || fit.noise < best.noise) best = fit;
    }
    signal += best.signal;
    noise += best.noise;
  }
  return 10 * Math.log10(signal / noise);
}

function fitWindow(samples, rate, freq) {
  const step = (2 * Math.PI * freq) / rate;
  let ss = 0, sc = 0, cc = 0, xs = 0, xc = 0;
  for (let n = 0; n < samples.length; n++) {
    const s = Math.sin(n * step);
    const c = Math.cos(n * step);
    ss += s * s; sc += s * c; cc += c * c;
    xs += samples[n] * s; xc += samples[n] * c;
  }
  const det = ss * cc - sc * sc;
  const a = (xs * cc - xc * sc) / det;
  const b = (xc * ss - xs * sc) / det;
  let noise = 0;
  for (let n = 0; n < samples.length; n++) {
    const rest = samples[n] - a * Math.sin(n * step) - b * Math.cos(n * step);
    noise += rest * rest;
  }
  return { signal: ((a * a + b * b) / 2) * samples.length, noise };
}

function run(datagrams, rate, { lose = () => false, quantum = 128 } = {}) {
  const { exports: wasm } = new WebAssembly.Instance(module, {});
  assert.equal(wasm.skywave_abi_version(), 3);
  const player = wasm.skywave_create(rate);
  assert.ok(player > 0);
  wasm.skywave_set_track(player, 7);
  const input = wasm.skywave_input(player);
  const statuses = new Map();
  const left = new Float32Array(SECONDS * rate);
  const costs = [];
  let sent = 0;
  for (let at = 0; at + quantum <= left.length; at += quantum) {
    const now = 5e6 + (at / rate) * 1e6;
    // A packet leaves once its 20 ms are over.
    while (sent < datagrams.length && 5e6 + (sent + 1) * 20_000 <= now) {
      const datagram = datagrams[sent];
      if (!lose(sent)) {
        new Uint8Array(wasm.memory.buffer, input, datagram.length).set(datagram);
        const status = wasm.skywave_datagram(player, datagram.length, now);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
      sent++;
    }
    const before = wasm.memory.buffer;
    const start = process.hrtime.bigint();
    assert.equal(wasm.skywave_process(player, quantum, now), quantum);
    costs.push(Number(process.hrtime.bigint() - start) / 1000);
    assert.ok(wasm.memory.buffer === before, "process() does not grow memory");
    left.set(new Float32Array(before, wasm.skywave_left(player), quantum), at);
  }
  const stats = [
    ...new Float64Array(wasm.memory.buffer, wasm.skywave_stats(player), wasm.skywave_stats_len()),
  ];
  const kilobytes = wasm.memory.buffer.byteLength / 1024;
  // What does not belong here is said so and harms nothing.
  const bytes = new Uint8Array(wasm.memory.buffer, input, 4);
  bytes.set([0x7f, 1, 2, 3]);
  assert.equal(wasm.skywave_datagram(player, 4, 0), -1);
  assert.equal(wasm.skywave_datagram(player, 0xffffffff, 0), -1);
  wasm.skywave_set_track(player, 8);
  new Uint8Array(wasm.memory.buffer, input, datagrams[0].length).set(datagrams[0]);
  assert.equal(wasm.skywave_datagram(player, datagrams[0].length, 0), 4);
  wasm.skywave_destroy(player);
  assert.equal(wasm.skywave_process(player, 128, 0), 0);
  costs.sort((a, b) => a - b);
  return { left, stats, statuses, costs, kilobytes };
}

const datagrams = vectors();
for (const rate of [48_000, 44_100]) {
  const { left, stats, statuses, costs, kilobytes } = run(datagrams, rate);
  const snr = toneSnr(left.subarray(rate / 2), rate);
  const quantumUs = (128 / rate) * 1e6;
  const mean = costs.reduce((a, b) => a + b, 0) / costs.length;
  const p99 = costs[Math.floor(costs.length * 0.99)];
  console.log(
    `${rate} Hz: SNR ${snr.toFixed(1)} dB, target ${stats[13]} ms, delay ${stats[14].toFixed(1)} ms, ` +
      `process() mean ${mean.toFixed(1)} us (${((mean / quantumUs) * 100).toFixed(2)} % of its quantum), ` +
      `p99 ${p99.toFixed(0)} us, max ${costs.at(-1).toFixed(0)} us, memory ${kilobytes} KB`,
  );
  assert.ok(snr > 40, `SNR ${snr}`);
  assert.deepEqual([...statuses], [[0, statuses.get(0)]], "every datagram is stored");
  assert.equal(stats[0], 1, "playing");
  assert.ok(stats[1] > 48_000 * 9, "the position moves on");
  assert.equal(stats[3] + stats[4] + stats[8] + stats[10], 0, "nothing lost, late or concealed");
  assert.ok(mean < quantumUs * 0.2, "the mean quantum costs less than a fifth of its time");
}

const lossy = run(datagrams, 48_000, { lose: (n) => n % 25 === 24 });
const lost = Math.floor(datagrams.length / 25);
console.log(`4 % loss: lost ${lossy.stats[3]}, concealed ${lossy.stats[8]} ms`);
assert.ok(Math.abs(lossy.stats[3] - lost) <= 1);
assert.ok(Math.abs(lossy.stats[8] - lost * 20) <= 40);
console.log("ok");
