/** Who one is on this site: a visitor, or a guest by the name one gave. */
import { signInAsGuest, type Session, type User } from '@skywave/client';
import { forget, keep, recall } from './memory.ts';

const TOKEN = 'skywave.guest.token';
const NAME = 'skywave.guest.name';
// A token that is no guest's: the server gives no further one for it.
const FIXED = 'skywave.token.fixed';

/** See the file's head. */
export class Account {
  /** The token to begin with; the session's from then on. */
  readonly token = recall(TOKEN);
  #session: Session | undefined;
  #ask: (() => void) | undefined;

  /** The name last used, to be offered again. */
  get name(): string {
    return recall(NAME) ?? '';
  }

  /** Whom the session is of. */
  get user(): User | undefined {
    return this.#session?.status.user;
  }

  /** The next token for the same guest; null, as a visitor, when that fails. */
  readonly refresh = async (): Promise<string | null> => {
    const before = recall(TOKEN);
    if (recall(FIXED) !== undefined) {
      this.#forget();
      return null;
    }
    if (before === undefined || this.#session === undefined) return null;
    try {
      return await this.#fetch(this.name, before);
    } catch {
      this.#forget();
      return null;
    }
  };

  /** Uses this session, and `ask` to ask for a name. */
  attach(session: Session, ask: () => void): void {
    this.#session = session;
    this.#ask = ask;
  }

  /** Signs in; rejects with what the server says. */
  async signIn(name: string): Promise<void> {
    const token = await this.#fetch(name);
    this.#session?.signIn(token);
  }

  /** Signs in with a token that an operator made. */
  signInWith(token: string): void {
    keep(TOKEN, token);
    keep(FIXED, 'yes');
    this.#session?.signIn(token);
  }

  /** Is a visitor again. */
  signOut(): void {
    this.#forget();
    this.#session?.signIn(undefined);
  }

  /** Whether one is signed in, or will be once there is a session; asks for a name otherwise. */
  require(): boolean {
    // A token that the server does not take is forgotten.
    if (this.user || recall(TOKEN) !== undefined) return true;
    this.#ask?.();
    return false;
  }

  #forget(): void {
    forget(TOKEN);
    forget(FIXED);
  }

  async #fetch(name: string, before?: string): Promise<string> {
    const guest = await signInAsGuest(this.#session?.server ?? '', name, before);
    forget(FIXED);
    keep(TOKEN, guest.token);
    keep(NAME, guest.name);
    return guest.token;
  }
}
