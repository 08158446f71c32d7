/** How sessions end: the codes of `bye`, and what a client does about each. */
import { number, text, type JsonObject } from './json.ts';

/** The relay's word on why it closes a session. */
export interface Bye {
  /** A stable word for programs, such as `draining`. */
  readonly code: string;
  /** A sentence for people. */
  readonly reason: string;
  /** The client should come back, and not before this many milliseconds. */
  readonly reconnectAfterMs?: number;
}

/** What to do once a session ended: come back, with a new token if need be, or stay away. */
export type Afterwards = 'reconnect' | 'new_token' | 'stop';

/** The close code WebTransport carries for an orderly end by the client. */
export const DONE = 0;

/** What is added to a close code on a WebSocket. */
export const WEBSOCKET_CODE_BASE = 4000;

const CODES: readonly string[] = [
  'done',
  'hello_timeout',
  'protocol_error',
  'frame_too_large',
  'unsupported_protocol',
  'unauthorized',
  'token_expired',
  'idle_timeout',
  'slow_consumer',
  'flooding',
  'draining',
  'overloaded',
  'internal',
];

/** The word for a close code, as `bye` may not arrive before the close. */
export function closeCodeName(number: number): string | undefined {
  return CODES[number];
}

/** Reads the data of a `bye` push. */
export function parseBye(data: JsonObject): Bye {
  const reconnectAfterMs = number(data, 'reconnect_after_ms');
  return {
    code: text(data, 'code') ?? 'internal',
    reason: text(data, 'reason') ?? '',
    ...(reconnectAfterMs === undefined ? {} : { reconnectAfterMs }),
  };
}

/** What the protocol asks a client to do after a session ended with `code`. */
export function afterwards(code: string): Afterwards {
  switch (code) {
    case 'done':
    case 'protocol_error':
    case 'frame_too_large':
    case 'unsupported_protocol':
      return 'stop';
    case 'unauthorized':
    case 'token_expired':
      return 'new_token';
    default:
      return 'reconnect';
  }
}
