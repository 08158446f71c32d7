/**
 * What the pure modules use beside the language itself: the same in Node and in every
 * browser thread. Only `tsconfig.pure.json` reads this, with no DOM types to lean on.
 */

interface AbortSignal {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: 'abort', listener: () => void, options?: { once: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

declare class AbortController {
  readonly signal: AbortSignal;
  abort(reason?: unknown): void;
}

/** Named in message types, never used. */
type MessagePort = object;

declare function queueMicrotask(callback: () => void): void;
