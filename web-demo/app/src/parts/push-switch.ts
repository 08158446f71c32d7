/** The switch for being told while the page is closed. */
import { errorWords } from '../error-words.ts';
import { h, setText } from '../dom.ts';
import type { PushState } from '../device-push.ts';
import type { Radio } from '../radio.ts';

const WORDS: Record<PushState, string> = {
  absent: '',
  unsupported:
    'This browser cannot do that. On an iPhone or iPad, add the site to the Home Screen first.',
  insecure: 'Browsers allow that only on a secure connection (https).',
  blocked:
    'Notifications are blocked for this site. Allow them in the browser’s settings for it, then come back.',
  off: '',
  on: 'This browser tells you of messages, mentions and invitations.',
};

/** Said when the person closed the browser's question without an answer. */
const UNANSWERED = 'Not turned on: the browser asked, and nothing was allowed.';

/** Said when the browser has no line to its maker's push service. */
const UNREACHED =
  'Not turned on: this browser did not reach its push service. In a private window it never does; elsewhere, try again later.';

/** See the file's head. Hidden where the relay has no Web Push. */
export class PushSwitch {
  /** The switch and what there is to say about it. */
  readonly element: HTMLElement;
  readonly #radio: Radio;
  readonly #box = h('input', { type: 'checkbox', role: 'switch' });
  readonly #told = h('p', { class: 'soft', role: 'status' });
  readonly #stops: (() => void)[];
  #round = 0;

  constructor(radio: Radio) {
    this.#radio = radio;
    this.#box.addEventListener('change', () => {
      void this.#turn(this.#box.checked);
    });
    const words = 'Notify me also when the page is closed';
    const label = h('label', { class: 'switch' }, this.#box, words);
    this.element = h('section', { class: 'push', hidden: true }, label, this.#told);
    const look = (): void => {
      void this.#look();
    };
    this.#stops = [radio.chat.on('user', look), radio.chat.on('connected', look)];
    void this.#followPermission(look);
    look();
  }

  /** Stops keeping itself up to date. */
  close(): void {
    for (const stop of this.#stops) stop();
    this.#round++;
  }

  async #look(): Promise<void> {
    const round = ++this.#round;
    const state = await this.#radio.push.state().catch(() => undefined);
    if (round === this.#round && state !== undefined) this.#show(state, WORDS[state]);
  }

  async #turn(on: boolean): Promise<void> {
    const round = ++this.#round;
    const { push } = this.#radio;
    this.#box.disabled = true;
    try {
      const state = await (on ? push.turnOn() : push.turnOff());
      const words = on && state === 'off' ? UNANSWERED : WORDS[state];
      if (round === this.#round) this.#show(state, words);
    } catch (error) {
      const unreached = error instanceof DOMException && error.name === 'AbortError';
      const words = unreached ? UNREACHED : errorWords(error);
      if (round === this.#round) this.#show(on ? 'off' : 'on', words);
    }
  }

  #show(state: PushState, words: string): void {
    this.element.hidden = state === 'absent';
    this.#box.checked = state === 'on';
    this.#box.disabled = state !== 'on' && state !== 'off';
    setText(this.#told, words);
  }

  /** What the person changes in the browser's settings shows at once. */
  async #followPermission(changed: () => void): Promise<void> {
    const { permissions } = navigator as { permissions?: Permissions };
    const status = await permissions?.query({ name: 'notifications' }).catch(() => undefined);
    status?.addEventListener('change', changed);
    this.#stops.push(() => {
      status?.removeEventListener('change', changed);
    });
  }
}
