/** The session's token: asks the page for the next one in time, or when one was refused. */
import type { Timer, Timers } from '../timers.ts';

const ANSWER_MS_MAX = 30_000;
// Ask this long before the token runs out, if it lives that long.
const MARGIN_MS = 60_000;
// Browsers hold timers in 31 bits; a token good for longer needs no earlier look.
const WAIT_MS_MAX = 2 ** 31 - 1;

/** A token, null to go on without one, or nothing: there is none. */
type Answer = string | null | undefined;

/** See the file's head. */
export class TokenKeeper {
  readonly #timers: Timers;
  readonly #ask: () => void;
  #token: string | undefined;
  #timer: Timer | undefined;
  #waiter: ((token: Answer) => void) | undefined;

  /** @param ask asks the page for a token; {@link handleAnswer} takes what it gives. */
  constructor(token: string | undefined, timers: Timers, ask: () => void) {
    this.#token = token;
    this.#timers = timers;
    this.#ask = ask;
  }

  /** The token to greet with. */
  get current(): string | undefined {
    return this.#token;
  }

  /** Asks for the next token before this one expires. Both in ms on the server's clock. */
  watch(expiresAt: number | undefined, serverNow: number): void {
    this.#timer?.cancel();
    if (expiresAt === undefined) return;
    const leftMs = Math.max(0, expiresAt - serverNow);
    const waitMs = Math.max(leftMs - MARGIN_MS, leftMs / 2);
    this.#timer = this.#timers.after(Math.min(waitMs, WAIT_MS_MAX), this.#ask);
  }

  /** Asks for a token in place of one that was refused; `false` when there is none. */
  renew(): Promise<boolean> {
    return new Promise((resolve) => {
      const giveUp = this.#timers.after(ANSWER_MS_MAX, () => {
        this.handleAnswer(undefined);
      });
      this.#waiter = (token) => {
        giveUp.cancel();
        // The same token again would be refused again.
        const next = token ?? undefined;
        const fresh = token !== undefined && next !== this.#token;
        if (fresh) this.#token = next;
        resolve(fresh);
      };
      this.#ask();
    });
  }

  /** Takes the page's token; `true` when the session that runs is to be given it. */
  handleAnswer(token: Answer): boolean {
    const waiter = this.#waiter;
    this.#waiter = undefined;
    if (waiter) waiter(token);
    // A session that runs goes on with what it has for as long as that holds.
    else if (typeof token === 'string') this.#token = token;
    return waiter === undefined && typeof token === 'string';
  }

  /** Greets with this one from now on. */
  replace(token: string | undefined): void {
    this.#token = token;
  }

  /** Stops watching: the session that used the token has ended. */
  release(): void {
    this.#timer?.cancel();
  }
}
