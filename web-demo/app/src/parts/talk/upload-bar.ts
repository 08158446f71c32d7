/** How far a file on its way is, and the way to stop it. */
import { button } from '../buttons.ts';
import { h } from '../../dom.ts';
import { SkywaveError, upload, type Session } from '@skywave/client';

/** One at a time: a further file stops the one before. */
export class UploadBar {
  /** Hidden while nothing is sent. */
  readonly element: HTMLElement;
  readonly #session: Session;
  readonly #progress = h('progress', { max: 1, 'aria-label': 'Upload' });
  #stop: AbortController | undefined;

  constructor(session: Session) {
    this.#session = session;
    const cancel = button(
      'Cancel',
      () => {
        this.cancel();
      },
      { class: 'link-button', label: 'Cancel the upload' },
    );
    this.element = h('span', { class: 'upload', hidden: true }, this.#progress, cancel);
  }

  /** Sends a file; gives its id, or `undefined` when it was cancelled. */
  async send(file: Blob, name: string): Promise<string | undefined> {
    this.cancel();
    const { server, token = '' } = this.#session;
    const stop = new AbortController();
    this.#stop = stop;
    this.#progress.value = 0;
    this.element.hidden = false;
    const onProgress = (share: number): void => {
      this.#progress.value = share;
    };
    try {
      return await upload(file, { server, token, name, onProgress, signal: stop.signal });
    } catch (error) {
      if (error instanceof SkywaveError && error.code === 'closed') return undefined;
      throw error;
    } finally {
      if (this.#stop === stop) this.element.hidden = true;
    }
  }

  /** Stops what is on its way. */
  cancel(): void {
    this.#stop?.abort();
  }
}
