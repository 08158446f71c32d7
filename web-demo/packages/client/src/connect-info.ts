/** `GET /api/v1/connect`: where a server's sessions are. */
import { failure, messageOf } from './errors.ts';
import { isRecord, objects, text, type Json } from './wire/json.ts';
import { sleep, type Timers } from './timers.ts';

/** The hash of a certificate that the relay minted itself. */
export interface CertificateHash {
  /** Always `sha-256` so far. */
  readonly algorithm: string;
  /** The hash in base64. */
  readonly value: string;
}

/** Where to connect. */
export interface ConnectInfo {
  /** Absent when the relay has no QUIC port. */
  readonly webtransport?: { readonly url: string; readonly hashes: readonly CertificateHash[] };
  /** Absent only on relays of another kind. */
  readonly websocket?: { readonly url: string };
  /** Where there is HTTP alone: server-sent events and POST. */
  readonly http?: { readonly url: string };
}

// A server that does not answer a small request in this time is of no use for radio.
const FETCH_MS_MAX = 5_000;

/** Reads the answer; lenient, as later versions may add to it. */
export function parseConnectInfo(json: Json | undefined): ConnectInfo {
  if (!isRecord(json)) throw failure('unreachable', 'the server does not speak Skywave');
  const webtransport = isRecord(json.webtransport) ? json.webtransport : {};
  const websocket = isRecord(json.websocket) ? json.websocket : {};
  const webtransportUrl = text(webtransport, 'url');
  const websocketUrl = text(websocket, 'url');
  const httpUrl = isRecord(json.http) ? text(json.http, 'url') : undefined;
  if (webtransportUrl === undefined && websocketUrl === undefined) {
    throw failure('unreachable', 'the server does not speak Skywave');
  }
  const hashes = objects(webtransport, 'certificateHashes').flatMap((hash) => {
    const algorithm = text(hash, 'algorithm');
    const value = text(hash, 'value');
    return algorithm !== undefined && value !== undefined ? [{ algorithm, value }] : [];
  });
  return {
    ...(webtransportUrl === undefined ? {} : { webtransport: { url: webtransportUrl, hashes } }),
    ...(websocketUrl === undefined ? {} : { websocket: { url: websocketUrl } }),
    ...(httpUrl === undefined ? {} : { http: { url: httpUrl } }),
  };
}

/**
 * Asks the server, for at most five seconds.
 *
 * @throws SkywaveError `unreachable`, which is temporary.
 */
export async function fetchConnectInfo(
  server: string,
  timers: Timers,
  signal: AbortSignal,
): Promise<ConnectInfo> {
  const stop = new AbortController();
  const abort = (): void => {
    stop.abort();
  };
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  void sleep(timers, FETCH_MS_MAX, stop.signal).then(abort);
  try {
    // Every time anew: certificate hashes change with a restart of the relay.
    const response = await fetch(`${server}/api/v1/connect`, {
      cache: 'no-store',
      credentials: 'omit',
      signal: stop.signal,
    });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    return parseConnectInfo((await response.json()) as Json);
  } catch (error) {
    throw failure('unreachable', `${server} cannot be reached: ${messageOf(error)}`, true);
  } finally {
    signal.removeEventListener('abort', abort);
    stop.abort();
  }
}
