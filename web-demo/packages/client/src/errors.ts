/** The one error type callers of this library meet. */
import type { ErrorObject } from './wire/control.ts';

/**
 * A request or a session failed.
 *
 * `code` is one of the protocol's error and close codes, or one of ours: `timeout`,
 * `disconnected` (the request may or may not have taken effect), `closed` (by our own
 * `close()`), `unreachable`, `unsupported_browser`, `worker_failed`.
 */
export class SkywaveError extends Error {
  /** Tells it from other errors. */
  override readonly name = 'SkywaveError';
  /** A stable word for programs. */
  readonly code: string;
  /** Whether trying again later may help. */
  readonly temporary: boolean;
  /** How long to wait before that, if known. */
  readonly retryAfterMs: number | undefined;

  constructor(error: ErrorObject) {
    super(error.message === '' ? error.code : error.message);
    this.code = error.code;
    this.temporary = error.temporary;
    this.retryAfterMs = error.retryAfterMs;
  }

  /** The same as a plain object, which crosses threads unharmed. */
  toObject(): ErrorObject {
    return {
      code: this.code,
      message: this.message,
      temporary: this.temporary,
      ...(this.retryAfterMs === undefined ? {} : { retryAfterMs: this.retryAfterMs }),
    };
  }
}

/** Makes an error of ours. */
export function failure(code: string, message: string, temporary = false): SkywaveError {
  return new SkywaveError({ code, message, temporary });
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
