/** Records a voice message: pressed once it begins, pressed again it is sent. */
import { duration } from './words.ts';
import { h, icon, setText } from '../../dom.ts';
import { VoiceRecorder } from '@skywave/client';

const MICROPHONE =
  'M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3zM6 10.5h1.8a4.2 4.2 0 0 0 8.4 0H18a6 6 0 0 1-5.1 5.9V20h-1.8v-3.6A6 6 0 0 1 6 10.5z';

/** See the file's head. */
export class VoiceButton {
  /** The button, with the way out beside it while it records. */
  readonly element: HTMLElement;
  readonly #send: (blob: Blob, durationMs: number) => Promise<void>;
  readonly #attempt: (doing: Promise<unknown>) => Promise<void>;
  readonly #button: HTMLButtonElement;
  readonly #cancel: HTMLButtonElement;
  readonly #time = h('span', { class: 'voice-time', hidden: true });
  #recorder: VoiceRecorder | undefined;
  #ticking: ReturnType<typeof setInterval> | undefined;

  constructor(
    send: (blob: Blob, durationMs: number) => Promise<void>,
    attempt: (doing: Promise<unknown>) => Promise<void>,
  ) {
    this.#send = send;
    this.#attempt = attempt;
    this.#button = h(
      'button',
      {
        type: 'button',
        class: 'icon-button',
        on: {
          click: () => {
            void this.#attempt(this.#recorder ? this.#finish() : this.#start());
          },
        },
      },
      icon(MICROPHONE),
    );
    this.#cancel = h('button', {
      type: 'button',
      class: 'link-button',
      text: 'Discard',
      on: {
        click: () => {
          this.cancel();
        },
      },
    });
    this.element = h('span', { class: 'voice' }, this.#button, this.#time, this.#cancel);
    this.#show();
  }

  /** Throws away what is being recorded. */
  cancel(): void {
    this.#recorder?.cancel();
    this.#end();
  }

  async #start(): Promise<void> {
    this.#recorder = await VoiceRecorder.start();
    this.#ticking = setInterval(() => {
      this.#showTime();
    }, 250);
    this.#show();
  }

  async #finish(): Promise<void> {
    const recorder = this.#recorder;
    this.#end();
    if (!recorder) return;
    const { blob, durationMs } = await recorder.finish();
    await this.#send(blob, durationMs);
  }

  #end(): void {
    this.#recorder = undefined;
    clearInterval(this.#ticking);
    this.#show();
  }

  #show(): void {
    const recording = this.#recorder !== undefined;
    const label = recording ? 'Send the voice message' : 'Record a voice message';
    this.#button.setAttribute('aria-label', label);
    this.#button.classList.toggle('is-recording', recording);
    this.#time.hidden = !recording;
    this.#cancel.hidden = !recording;
    this.#showTime();
  }

  #showTime(): void {
    setText(this.#time, duration(this.#recorder?.durationMs ?? 0));
  }
}
