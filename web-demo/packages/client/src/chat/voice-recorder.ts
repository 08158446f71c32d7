/** Voice messages, recorded in the browser as Opus. */
import { failure, messageOf } from '../errors.ts';

/** What was recorded. */
export interface Recording {
  /** Opus in WebM or Ogg, whichever the browser writes. */
  readonly blob: Blob;
  /** How long it is, in milliseconds. */
  readonly durationMs: number;
}

/** How long a voice message may be, in milliseconds; recording stops by itself. */
export const VOICE_MS_MAX = 5 * 60_000;

// Speech at this rate is transparent in Opus; browsers default to four times as much.
const BITS_PER_SECOND = 32_000;
const TYPES = ['audio/ogg;codecs=opus', 'audio/webm;codecs=opus'];

/** A recording under way. */
export class VoiceRecorder {
  readonly #recorder: MediaRecorder;
  readonly #stream: MediaStream;
  readonly #startedAt = performance.now();
  readonly #chunks: Blob[] = [];
  readonly #stopped: Promise<void>;
  readonly #limit: ReturnType<typeof setTimeout>;
  #stoppedAt: number | undefined;

  private constructor(stream: MediaStream, mimeType: string) {
    this.#stream = stream;
    this.#recorder = new MediaRecorder(stream, { mimeType, audioBitsPerSecond: BITS_PER_SECOND });
    this.#recorder.ondataavailable = ({ data }) => {
      if (data.size > 0) this.#chunks.push(data);
    };
    this.#stopped = new Promise((resolve) => {
      this.#recorder.onstop = () => {
        resolve();
      };
    });
    this.#recorder.start(1_000);
    this.#limit = setTimeout(() => {
      this.#stop();
    }, VOICE_MS_MAX);
  }

  /**
   * Asks for the microphone and begins.
   *
   * @throws SkywaveError `unsupported_browser` when it records no Opus, `no_microphone`
   * when there is none or it was refused.
   */
  static async start(): Promise<VoiceRecorder> {
    const type = voiceType();
    if (type === undefined) throw failure('unsupported_browser', 'this browser records no Opus');
    const wanted = { channelCount: 1, echoCancellation: true, noiseSuppression: true };
    const stream = await navigator.mediaDevices
      .getUserMedia({ audio: wanted })
      .catch((error: unknown) => {
        throw failure('no_microphone', messageOf(error));
      });
    return new VoiceRecorder(stream, type);
  }

  /** How long it is by now, in milliseconds. */
  get durationMs(): number {
    return (this.#stoppedAt ?? performance.now()) - this.#startedAt;
  }

  /** Ends it and gives what was recorded. */
  async finish(): Promise<Recording> {
    this.#stop();
    await this.#stopped;
    const [type] = this.#recorder.mimeType.split(';');
    const blob = new Blob(this.#chunks, { type: type ?? 'audio/webm' });
    return { blob, durationMs: this.durationMs };
  }

  /** Throws it away. */
  cancel(): void {
    this.#stop();
    this.#chunks.length = 0;
  }

  #stop(): void {
    if (this.#stoppedAt !== undefined) return;
    this.#stoppedAt = performance.now();
    clearTimeout(this.#limit);
    if (this.#recorder.state !== 'inactive') this.#recorder.stop();
    for (const track of this.#stream.getTracks()) track.stop();
  }
}

/** Whether this browser can record voice messages; not on pages without https. */
export function canRecordVoice(): boolean {
  const { mediaDevices } = navigator as { mediaDevices?: MediaDevices };
  return mediaDevices !== undefined && voiceType() !== undefined;
}

function voiceType(): string | undefined {
  if (typeof MediaRecorder === 'undefined') return undefined;
  return TYPES.find((type) => MediaRecorder.isTypeSupported(type));
}
