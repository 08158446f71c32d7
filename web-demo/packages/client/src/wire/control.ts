/** Control frames: requests, replies and pushes as JSON. */
import { isRecord, type Json, type JsonObject } from './json.ts';

/** The protocol version this library speaks. */
export const PROTOCOL = 1;

/** The subprotocol asked for on a WebSocket. */
export const WEBSOCKET_PROTOCOL = 'skywave.v1';

/** What a relay answers when it cannot do what was asked. */
export interface ErrorObject {
  /** A stable word for programs, such as `unknown_station`. */
  readonly code: string;
  /** A sentence for people. */
  readonly message: string;
  /** Whether the same request may succeed later. */
  readonly temporary: boolean;
  /** How long to wait before trying again, when waiting helps. */
  readonly retryAfterMs?: number;
}

/** Something the relay tells unasked. */
export interface Push {
  /** The series it belongs to, such as `stations` or `station:demo`. */
  readonly channel: string;
  /** Its place in a series that can be resumed; absent when only the latest matters. */
  readonly offset?: number;
  /** What happened. */
  readonly type: string;
  /** Its particulars. */
  readonly data: JsonObject;
}

/** A frame from the relay. */
export type Frame =
  | { readonly kind: 'result'; readonly id: number; readonly result: JsonObject }
  | { readonly kind: 'error'; readonly id: number; readonly error: ErrorObject }
  | { readonly kind: 'push'; readonly push: Push };

/** Writes a request. Empty params are left out. */
export function encodeRequest(id: number, method: string, params: JsonObject): string {
  return Object.keys(params).length === 0
    ? JSON.stringify({ id, method })
    : JSON.stringify({ id, method, params });
}

/** Reads a frame; `undefined` when it is neither a reply nor a push. */
export function decodeFrame(text: string): Frame | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(json)) return undefined;
  const { id } = json;
  if (typeof id === 'number' && Number.isSafeInteger(id) && id >= 0) {
    if (isRecord(json.error)) return { kind: 'error', id, error: decodeError(json.error) };
    if (isRecord(json.result)) return { kind: 'result', id, result: json.result };
    return undefined;
  }
  const push = decodePush(json);
  return push && { kind: 'push', push };
}

/** Reads a push, also one inside the events of a recovered subscription. */
export function decodePush(json: Json | undefined): Push | undefined {
  if (!isRecord(json)) return undefined;
  const { channel, offset, type } = json;
  if (typeof channel !== 'string' || typeof type !== 'string') return undefined;
  const data = isRecord(json.data) ? json.data : {};
  return typeof offset === 'number' ? { channel, offset, type, data } : { channel, type, data };
}

/** Reads an error object; what is missing takes the safest value. */
export function decodeError(json: JsonObject): ErrorObject {
  const { code, message, temporary } = json;
  const retryAfterMs = json.retry_after_ms;
  return {
    code: typeof code === 'string' ? code : 'internal',
    message: typeof message === 'string' ? message : '',
    temporary: temporary === true,
    ...(typeof retryAfterMs === 'number' ? { retryAfterMs } : {}),
  };
}
