/**
 * The receiver's WebAssembly behind a small class. Knows no browser: its tests run the real
 * module under Node. `worklet/README.md` beside the Rust code describes the exports.
 */
import type {
  Latency,
  Preferences,
  Reception,
  ReceiverState,
  ReceiverStats,
  RepairBudget,
} from '../messages.ts';

interface Exports {
  readonly memory: WebAssembly.Memory;
  readonly skywave_abi_version: () => number;
  readonly skywave_create: (rate: number) => number;
  readonly skywave_input: (player: number) => number;
  readonly skywave_input_bytes: () => number;
  readonly skywave_datagram: (player: number, bytes: number, nowUs: number) => number;
  readonly skywave_process: (player: number, frames: number, nowUs: number) => number;
  readonly skywave_left: (player: number) => number;
  readonly skywave_right: (player: number) => number;
  readonly skywave_restart: (player: number) => void;
  readonly skywave_set_track: (player: number, track: number) => void;
  readonly skywave_change_track: (player: number, track: number) => void;
  readonly skywave_position: (player: number) => number;
  readonly skywave_state: (player: number) => number;
  readonly skywave_set_latency: (player: number, profile: number) => void;
  readonly skywave_set_bundled: (player: number, bundled: number) => void;
  readonly skywave_set_repair: (player: number, repair: number) => void;
  readonly skywave_set_round_trip: (player: number, roundTripUs: number) => void;
  readonly skywave_poll_request: (player: number, nowUs: number) => number;
  readonly skywave_request: (player: number) => number;
  readonly skywave_redundancy_wanted: (player: number) => number;
  readonly skywave_set_clock_offset: (player: number, offsetUs: number) => void;
  readonly skywave_stats: (player: number) => number;
  readonly skywave_stats_len: () => number;
}

const ABI_VERSION = 4;

/**
 * V8 compiles the way into an export at its thousandth call, on the thread that calls: two of
 * them in one quantum took a fifth of it.
 */
const CALLS_UNTIL_COMPILED = 1024;

/** Of no player: its calls answer nothing and change nothing. */
const NOBODY = 0;

const LATENCIES: readonly Latency[] = ['interactive', 'live', 'safe'];
const BUDGETS: readonly RepairBudget[] = ['off', 'economy', 'auto', 'robust'];
const STATES: readonly ReceiverState[] = ['buffering', 'playing', 'interrupted'];

/** Calls what quanta and packets will call, before there is sound to wait for it. */
function callUntilCompiled(wasm: Exports): void {
  for (let calls = 0; calls < CALLS_UNTIL_COMPILED; calls++) {
    wasm.skywave_datagram(NOBODY, 0, 0);
    wasm.skywave_process(NOBODY, 0, 0);
    wasm.skywave_poll_request(NOBODY, 0);
    wasm.skywave_request(NOBODY);
    wasm.skywave_redundancy_wanted(NOBODY);
    wasm.skywave_state(NOBODY);
    wasm.skywave_position(NOBODY);
    wasm.skywave_stats(NOBODY);
  }
}

/** One receiver: datagrams in, sound out. */
export class Receiver {
  readonly #wasm: Exports;
  readonly #player: number;
  readonly #inputBytes: number;
  // Views into the module's memory; void once it has grown, which the buffer's identity tells.
  #buffer: ArrayBuffer | undefined;
  #input = new Uint8Array(0);
  #left = new Float32Array(0);
  #right = new Float32Array(0);

  /**
   * @param bytes the module.
   * @param rate samples per second of the sound pulled.
   * @throws Error when the module is of another version, or none.
   */
  constructor(bytes: ArrayBuffer, rate: number) {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), {});
    const wasm = exports as unknown as Exports;
    if (wasm.skywave_abi_version() !== ABI_VERSION) {
      throw new Error('the WebAssembly is of another version than the player');
    }
    this.#wasm = wasm;
    callUntilCompiled(wasm);
    this.#player = wasm.skywave_create(rate);
    this.#inputBytes = wasm.skywave_input_bytes();
    if (this.#player === NOBODY) throw new Error('the WebAssembly made no receiver');
  }

  /** What it is doing. */
  get state(): ReceiverState {
    return STATES[this.#wasm.skywave_state(this.#player)] ?? 'buffering';
  }

  /** Media time of the next sample pulled; `undefined` in silence. */
  get position(): number | undefined {
    const position = this.#wasm.skywave_position(this.#player);
    return position < 0 ? undefined : position;
  }

  /** Takes a datagram that arrived at `nowMs`; what is none, or of another track, is counted. */
  datagram(bytes: Uint8Array, nowMs: number): void {
    if (bytes.length > this.#inputBytes) return;
    this.#view(this.#left.length);
    this.#input.set(bytes);
    this.#wasm.skywave_datagram(this.#player, bytes.length, nowMs * 1000);
  }

  /** Fills both channels; `nowMs` is when their first sample leaves. Allocates nothing. */
  pull(nowMs: number, left: Float32Array, right: Float32Array): void {
    this.#wasm.skywave_process(this.#player, left.length, nowMs * 1000);
    this.#view(left.length);
    left.set(this.#left);
    right.set(this.#right);
  }

  /**
   * Begins another stream: only datagrams of this track are played from now on. What was
   * learnt about the network is kept.
   */
  begin(track: number): void {
    this.#wasm.skywave_set_track(this.#player, track);
    // A relay that restarted gives the same number to another stream, whose packets would
    // pass for late ones of the former.
    this.#wasm.skywave_restart(this.#player);
  }

  /** Goes on with another track of the same media time, where the one played now ends. */
  change(track: number): void {
    this.#wasm.skywave_change_track(this.#player, track);
  }

  /** Weighs delay, faults and bytes like this from now on. */
  prefer({ latency, repair, bundled }: Preferences): void {
    this.#wasm.skywave_set_latency(this.#player, LATENCIES.indexOf(latency));
    this.#wasm.skywave_set_repair(this.#player, BUDGETS.indexOf(repair));
    this.#wasm.skywave_set_bundled(this.#player, bundled ? 1 : 0);
  }

  /** Tells how far the relay is, and its clock: server time less `nowMs` of the others. */
  setServer(roundTripMs: number, offsetMs: number): void {
    this.#wasm.skywave_set_round_trip(this.#player, roundTripMs * 1000);
    this.#wasm.skywave_set_clock_offset(this.#player, offsetMs * 1000);
  }

  /** The datagram that asks for what is missing now; allocates only when there is one. */
  pollRequest(nowMs: number): Uint8Array<ArrayBuffer> | undefined {
    const length = this.#wasm.skywave_poll_request(this.#player, nowMs * 1000);
    if (length === 0) return undefined;
    const address = this.#wasm.skywave_request(this.#player) >>> 0;
    return new Uint8Array(this.#wasm.memory.buffer, address, length).slice();
  }

  /** How much is to travel along against loss, 0 to 2. */
  get redundancyWanted(): number {
    return this.#wasm.skywave_redundancy_wanted(this.#player);
  }

  /** How sound arrived since `before`, of which `playedMs` were played. */
  reception(before: ReceiverStats, intervalMs: number, playedMs: number): Reception {
    const stats = this.stats();
    const at = this.#values();
    const since = (now: number, then: number): number => Math.max(0, now - then);
    const played = Math.round(playedMs);
    const concealed = Math.round(since(stats.concealedMs, before.concealedMs));
    const [p50, p95, p99] = [at(19), at(20), at(21)];
    return {
      interval_ms: Math.max(1, Math.round(intervalMs)),
      received: since(stats.packets + stats.recovered, before.packets + before.recovered),
      lost: since(stats.lost, before.lost),
      concealed_ms: Math.min(concealed, played),
      played_ms: played,
      jitter_ms: at(24),
      buffer_ms: stats.bufferMs,
      ...(p50 < 0 ? {} : { delay_ms: { p50, p95, p99 } }),
    };
  }

  #values(): (index: number) => number {
    const address = this.#wasm.skywave_stats(this.#player) >>> 0;
    const length = this.#wasm.skywave_stats_len();
    const values = new Float64Array(this.#wasm.memory.buffer, address, length);
    return (index) => values[index] ?? 0;
  }

  /** Counts and measurements. */
  stats(): ReceiverStats {
    const at = this.#values();
    return {
      packets: at(2),
      lost: at(3),
      late: at(4),
      duplicates: at(5),
      recovered: at(6),
      retransmitted: at(23),
      rejected: at(7),
      concealedMs: at(8),
      skippedMs: at(9),
      underruns: at(10),
      restarts: at(11),
      bufferMs: at(12),
      targetMs: at(13),
    };
  }

  #view(frames: number): void {
    const { buffer } = this.#wasm.memory;
    if (buffer === this.#buffer && frames === this.#left.length) return;
    this.#buffer = buffer;
    const [wasm, player] = [this.#wasm, this.#player];
    this.#input = new Uint8Array(buffer, wasm.skywave_input(player) >>> 0, this.#inputBytes);
    this.#left = new Float32Array(buffer, wasm.skywave_left(player) >>> 0, frames);
    this.#right = new Float32Array(buffer, wasm.skywave_right(player) >>> 0, frames);
  }
}
