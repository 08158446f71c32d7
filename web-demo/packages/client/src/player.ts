/** Plays a station: session, receiver, volume and what is playing, as one thing. */
import { AudioOutput, type Capture } from './audio-output.ts';
import { AUTO_RENDITION, AutoChoice } from './auto-choice.ts';
import { connect, type ConnectOptions, type Session } from './session.ts';
import { Emitter, type Unsubscribe } from './emitter.ts';
import { failure, messageOf, SkywaveError } from './errors.ts';
import { MediaSessionCard } from './media-session.ts';
import { NowPlayingClock } from './now-playing-clock.ts';
import { parseListeners, parseMetadata, SAMPLE_RATE } from './wire.ts';
import { playerState, type PlayerState } from './player-state.ts';
import { watchWakeUps } from './surroundings.ts';
import type {
  Bundle,
  Latency,
  Listening,
  Preferences,
  RepairBudget,
  SessionStatus,
  WorkletStatus,
} from './messages.ts';
import type { Metadata, Push, Station } from './wire.ts';
import { bundleOf } from './bundle.ts';
import { playerStats, type PlayerStats } from './player-stats.ts';

/** What to play and how. */
export interface PlayerOptions extends ConnectOptions {
  /** The station's id. */
  readonly station: string;
  /** `auto` (the default) moves by what the network carries between `source`, as the station
   * sends it, and `high`, `medium`, `low`; each of them stays. */
  readonly rendition?: string;
  /** How far back to begin, in seconds; live by default. See {@link Player.rewind}. */
  readonly rewind?: number;
  /** Less delay or fewer faults: `interactive`, `live` (the default) or `safe`. */
  readonly latency?: Latency;
  /** How many bytes repair of lost packets may cost; `auto` by default. */
  readonly repair?: RepairBudget;
  /** How many packets share a datagram, for fewer of them and more delay; 1 by default. */
  readonly bundle?: Bundle;
  /** A session to share; it stays open when the player is closed. By default one of its own. */
  readonly session?: Session;
  /** Loudness from 0 to 1; 1 by default. */
  readonly volume?: number;
  /** Whether to begin muted. */
  readonly muted?: boolean;
}

/** What a player tells. */
export interface PlayerEvents {
  /** It is doing something else now. */
  state: PlayerState;
  /** What is heard changed. */
  nowplaying: Metadata | undefined;
  /** The station is described differently: name, state, listeners. */
  station: Station | undefined;
  /** Volume or mute changed. */
  volume: { readonly volume: number; readonly muted: boolean };
  /** New figures, four times a second while it plays. */
  stats: PlayerStats;
}

/**
 * Plays one station at a time.
 *
 * It connects when it is made, so that {@link Player.play} is quick, and it keeps playing
 * through lost connections, restarts of the server and broken workers.
 */
export class Player extends Emitter<PlayerEvents> {
  /** The session it plays from. */
  readonly session: Session;
  readonly #ownsSession: boolean;
  readonly #options: PlayerOptions;
  readonly #stops: Unsubscribe[];
  readonly #nowPlaying: NowPlayingClock;
  readonly #card: MediaSessionCard;
  #output: AudioOutput | undefined;
  #stationId: string;
  #rendition: string;
  #choice: AutoChoice | undefined;
  #rewind: number;
  #preferences: Preferences;
  #bundle: Bundle;
  #volume: number;
  #muted: boolean;
  #wanted = false;
  #failure: SkywaveError | undefined;
  #status: WorkletStatus | undefined;
  #station: Station | undefined;
  #flowing: { readonly station: string; readonly rendition: string } | undefined;
  #state: PlayerState = 'idle';
  // A `pause` or another `play` while one is on its way makes the earlier one void.
  #round = 0;

  constructor(options: PlayerOptions) {
    super();
    this.#options = options;
    this.#stationId = options.station;
    this.#rendition = options.rendition ?? AUTO_RENDITION;
    this.#choice = this.#newChoice();
    this.#rewind = clampRewind(options.rewind ?? 0);
    this.#bundle = options.bundle ?? 1;
    const latency = options.latency ?? 'live';
    this.#preferences = {
      latency,
      repair: options.repair ?? 'auto',
      bundled: bundleOf(this.#bundle, latency) > 1,
    };
    this.#volume = clampLevel(options.volume ?? 1);
    this.#muted = options.muted ?? false;
    this.#ownsSession = options.session === undefined;
    this.session = options.session ?? connect(options);
    this.#nowPlaying = new NowPlayingClock((metadata) => {
      this.#card.show(this.#station, metadata);
      this.emit('nowplaying', metadata);
    });
    this.#card = new MediaSessionCard(this);
    const directory = this.session.stations();
    this.#stops = [
      this.session.on('status', (status) => {
        this.#handleSession(status);
      }),
      this.session.on('listening', (listening) => {
        this.#handleListening(listening);
      }),
      this.session.on('station', ({ station, push }) => {
        if (station === this.#stationId) this.#handlePush(push);
      }),
      this.session.on('stations', () => {
        this.#describe(directory.get(this.#stationId));
      }),
    ];
    this.#stops.push(
      // Systems suspend sound for a call, and do not always give it back by themselves.
      watchWakeUps(() => {
        this.#output?.resume();
      }),
    );
    this.#describe(directory.get(this.#stationId));
  }

  /** What it is doing. */
  get state(): PlayerState {
    return this.#state;
  }

  /** Why its state is `error`, or what the last try to play failed with. */
  get error(): SkywaveError | undefined {
    const { listening, status } = this.session;
    const error = status.error ?? listening?.error;
    return this.#failure ?? (error && new SkywaveError(error));
  }

  /** Whether it plays or is on the way to. */
  get wanted(): boolean {
    return this.#wanted;
  }

  /** The station's id. Another one is switched to within the session. */
  get stationId(): string {
    return this.#stationId;
  }

  set stationId(id: string) {
    if (id === this.#stationId) return;
    this.#stationId = id;
    this.#rewind = 0;
    this.#choice = this.#newChoice();
    this.#station = undefined;
    this.#nowPlaying.reset();
    this.#describe(this.session.stations().get(id));
    this.#listen();
  }

  /** The station as last heard of, with its listeners. */
  get station(): Station | undefined {
    return this.#station;
  }

  /**
   * The rendition asked for, or `auto`; `stats.rendition` tells which flows. A switch keeps the
   * session and is not heard.
   */
  get rendition(): string {
    return this.#rendition;
  }

  set rendition(rendition: string) {
    if (rendition === this.rendition) return;
    this.#rendition = rendition;
    this.#choice = this.#newChoice();
    this.#listen();
  }

  /**
   * How far back from the present it plays, in seconds, as was asked for; 0 is live. The
   * station's `rewindMs` is the most, and {@link behindMs} what the server has. A change
   * keeps the session and is silent for a moment; {@link pause} ends it.
   */
  get rewind(): number {
    return this.#rewind;
  }

  set rewind(seconds: number) {
    const rewind = clampRewind(seconds);
    if (rewind === this.#rewind) return;
    this.#rewind = rewind;
    this.#listen();
  }

  /** How much later than live it is heard, in milliseconds. */
  get behindMs(): number {
    return this.#wanted ? (this.session.listening?.behindMs ?? 0) : 0;
  }

  /** Less delay or fewer faults; a change is followed without a gap. */
  get latency(): Latency {
    return this.#preferences.latency;
  }

  set latency(latency: Latency) {
    this.#preferBundle(latency, this.#bundle);
  }

  /** How many packets share a datagram. */
  get bundle(): Bundle {
    return this.#bundle;
  }

  set bundle(bundle: Bundle) {
    this.#preferBundle(this.latency, bundle);
  }

  /** How many bytes repair of lost packets may cost. */
  get repair(): RepairBudget {
    return this.#preferences.repair;
  }

  set repair(repair: RepairBudget) {
    this.#prefer({ ...this.#preferences, repair });
  }

  /** What is heard now. */
  get nowPlaying(): Metadata | undefined {
    return this.#nowPlaying.current;
  }

  /** Media time at the ear in samples at 48 kHz; `undefined` while nothing is heard. */
  get mediaTime(): number | undefined {
    const [output, status] = [this.#output, this.#status];
    if (!output || status?.position === undefined) return undefined;
    const seconds = output.context.currentTime - status.contextTime - output.latency;
    return status.position + Math.round(seconds * SAMPLE_RATE);
  }

  /** Loudness from 0 to 1. */
  get volume(): number {
    return this.#volume;
  }

  set volume(volume: number) {
    this.#volume = clampLevel(volume);
    this.#applyVolume();
  }

  /** Whether it is silenced without being paused. */
  get muted(): boolean {
    return this.#muted;
  }

  set muted(muted: boolean) {
    this.#muted = muted;
    this.#applyVolume();
  }

  /** Counts and measurements. */
  get stats(): PlayerStats {
    return playerStats(this.#status, this.session, this.#output?.latency);
  }

  /** The last audio node before the speakers, for visualisations; there once it played. */
  get audioNode(): AudioNode | undefined {
    return this.#output?.node;
  }

  /**
   * Plays, or waits for the station to come on air. Call it from a click or key press:
   * browsers keep pages silent that nobody has touched.
   *
   * @throws SkywaveError `autoplay_blocked` when the browser wants a gesture first,
   * `unsupported_browser`, or `unreachable` when the receiver cannot be loaded.
   */
  async play(): Promise<void> {
    const round = ++this.#round;
    this.#failure = undefined;
    this.#wanted = true;
    this.#update();
    try {
      const output = (this.#output ??= this.#makeOutput());
      this.#applyVolume();
      this.session.wake();
      await output.start();
      if (round !== this.#round) return;
      this.session.connectAudio(() => output.audioPort());
      this.#card.activate();
      this.#listen();
    } catch (error) {
      if (round !== this.#round) return;
      this.#wanted = false;
      this.#output?.stop();
      const reason = error instanceof SkywaveError ? error : failure('internal', messageOf(error));
      if (!reason.temporary) this.#failure = reason;
      this.#update();
      throw reason;
    }
  }

  /** Stops. What is live cannot be continued: {@link play} begins with the present. */
  pause(): void {
    this.#round++;
    if (!this.#wanted) return;
    this.#wanted = false;
    this.#rewind = 0;
    this.#status = undefined;
    this.session.unlisten();
    this.#output?.stop();
    this.#nowPlaying.release(this.#station?.metadata);
    this.#update();
  }

  /** Plays or pauses; see {@link play} for how it fails. */
  async toggle(): Promise<void> {
    if (this.#wanted) this.pause();
    else await this.play();
  }

  /**
   * The latest `seconds` of sound, at most 10, as the receiver made it: before the volume,
   * whether muted or not. Fewer when not as many were played.
   */
  capture(seconds: number): Promise<Capture> {
    return (
      this.#output?.capture(seconds) ??
      Promise.reject(failure('not_playing', 'nothing has been played yet'))
    );
  }

  /** Ends it, and its session unless that is shared. */
  close(): void {
    this.#round++;
    this.#wanted = false;
    for (const stop of this.#stops) stop();
    this.#nowPlaying.reset();
    this.#card.close();
    this.#output?.close();
    this.#output = undefined;
    if (this.#ownsSession) this.session.close();
    else this.session.unlisten();
    this.#update();
    this.removeAllListeners();
  }

  #makeOutput(): AudioOutput {
    return new AudioOutput(this.#options.assets ?? {}, this.#preferences, {
      onStatus: (status) => {
        if (!this.#wanted) return;
        this.#status = status;
        this.#nowPlaying.follow(this.mediaTime);
        this.#update();
        if (this.#choice?.handle(status)) this.#listen();
        this.emit('stats', this.stats);
      },
      onRenewed: () => {
        const output = this.#output;
        if (output) this.session.connectAudio(() => output.audioPort());
      },
      onFailed: (error) => {
        this.#failure = error;
        this.pause();
        this.#update();
      },
    });
  }

  #prefer(preferences: Preferences): void {
    this.#preferences = preferences;
    this.#output?.prefer(preferences);
  }

  // What shares a datagram hangs on both, and only the relay can change it.
  #preferBundle(latency: Latency, bundle: Bundle): void {
    const before = bundleOf(this.#bundle, this.latency);
    const packets = bundleOf(bundle, latency);
    this.#bundle = bundle;
    this.#prefer({ ...this.#preferences, latency, bundled: packets > 1 });
    if (packets !== before) this.#listen();
  }

  #listen(): void {
    if (!this.#wanted) return;
    const rendition = this.#choice?.rendition ?? this.#rendition;
    const bundle = bundleOf(this.#bundle, this.latency);
    this.session.listen(this.#stationId, rendition, this.#rewind * 1000, bundle);
  }

  #handleSession(status: SessionStatus): void {
    if (status.phase === 'closed') this.#wanted = false;
    this.#update();
  }

  #handleListening(listening: Listening | null): void {
    // Another connection may lead to another run of the relay, with another media time.
    if (listening?.phase === 'asking') this.#nowPlaying.reset();
    if (listening?.track && listening.info) {
      this.#flowing = { station: listening.station, rendition: listening.track.rendition };
      this.#choice?.flows(listening.info.renditions, listening.track);
    }
    if (listening?.phase === 'refused') this.#handleRefusal(listening);
    if (listening?.station === this.#stationId && listening.info) {
      this.#describe({
        ...listening.info,
        listeners: this.#station?.listeners ?? listening.info.listeners,
      });
    }
    this.#update();
  }

  #newChoice(): AutoChoice | undefined {
    return this.#rendition === AUTO_RENDITION ? new AutoChoice() : undefined;
  }

  /** What was chosen is not to be had now: what flowed before is. */
  #handleRefusal({ station, rendition }: Listening): void {
    const before = this.#flowing;
    if (!this.#choice || before?.station !== station || before.rendition === rendition) return;
    this.#choice.refused(before.rendition, (this.#status?.contextTime ?? 0) * 1000);
    this.#listen();
  }

  #handlePush({ type, data }: Push): void {
    const station = this.#station;
    switch (type) {
      case 'metadata': {
        const metadata = parseMetadata(data);
        if (metadata && this.#wanted) this.#nowPlaying.add(metadata);
        break;
      }
      case 'listeners': {
        const listeners = parseListeners(data);
        if (!station || !listeners) break;
        const { count, peak } = listeners;
        this.#describe({ ...station, listeners: count, listenersPeak: peak });
        break;
      }
      case 'started':
      case 'resumed':
        if (station) this.#describe({ ...station, state: 'live' });
        break;
      case 'interrupted':
        if (station) this.#describe({ ...station, state: 'interrupted' });
        break;
      case 'stopped':
        if (station) this.#describe({ ...station, state: 'offline' });
        break;
      default:
        break;
    }
  }

  #describe(station: Station | undefined): void {
    this.#station = station;
    // While it plays, metadata comes with the media time from which it holds.
    if (!this.#wanted) this.#nowPlaying.release(station?.metadata);
    this.#card.show(station, this.nowPlaying);
    this.emit('station', station);
    this.#update();
  }

  #applyVolume(): void {
    this.#output?.setLevel(this.#muted ? 0 : this.#volume);
    this.emit('volume', { volume: this.#volume, muted: this.#muted });
  }

  #update(): void {
    const state = playerState({
      wanted: this.#wanted,
      failed: this.#failure !== undefined,
      session: this.session.status,
      listening: this.session.listening,
      station: this.#station?.state,
      receiver: this.#status?.state ?? 'buffering',
    });
    if (state === this.#state) return;
    this.#state = state;
    this.#card.tell(state);
    this.emit('state', state);
  }
}

function clampRewind(seconds: number): number {
  return Number.isFinite(seconds) ? Math.max(0, seconds) : 0;
}

function clampLevel(level: number): number {
  return Number.isFinite(level) ? Math.min(1, Math.max(0, level)) : 1;
}
