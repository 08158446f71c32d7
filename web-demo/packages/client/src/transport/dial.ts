/** Finds a server's transports and connects by the best that works. */
import { failure, messageOf, SkywaveError } from '../errors.ts';
import { fetchConnectInfo, type ConnectInfo } from '../connect-info.ts';
import { openHttp } from './http.ts';
import { openWebSocket } from './websocket.ts';
import { openWebTransport } from './webtransport.ts';
import { planRace, race } from '../race.ts';
import { systemTimers } from '../system-timers.ts';
import type { DialRequest } from '../session/core.ts';
import type { Transport, TransportChoice, TransportKind } from './transport.ts';

// Firefox waits 30 s for a QUIC handshake, a WebSocket may hang for minutes.
const CONNECT_MS_MAX = 12_000;

/**
 * Connects.
 *
 * @throws SkywaveError `unreachable`, which is temporary, or `unsupported_browser` when the
 * browser lacks the transport asked for.
 */
export async function dial(request: DialRequest, signal: AbortSignal): Promise<Transport> {
  const info = await fetchConnectInfo(request.server, systemTimers, signal);
  const kinds = available(info, request.choice);
  if (kinds.length === 0) {
    throw failure('unsupported_browser', `no transport for ${request.choice} here`);
  }
  const limit = new AbortController();
  const abort = (): void => {
    limit.abort(failure('unreachable', 'the connection took too long', true));
  };
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  const timer = systemTimers.after(CONNECT_MS_MAX, abort);
  try {
    const entrants = planRace(kinds, request.remembered);
    const course = {
      start: (kind: TransportKind, stop: AbortSignal) => open(kind, info, stop),
      discard: (transport: Transport) => {
        transport.close(0, 'another was faster');
      },
    };
    return (await race(entrants, course, systemTimers, limit.signal)).value;
  } catch (error) {
    if (error instanceof SkywaveError) throw error;
    throw failure('unreachable', messageOf(error), true);
  } finally {
    timer.cancel();
    signal.removeEventListener('abort', abort);
  }
}

function available(info: ConnectInfo, choice: TransportChoice): TransportKind[] {
  const kinds: TransportKind[] = [];
  // Only in secure contexts, and not in every browser, whatever the types say.
  const hasWebTransport = 'WebTransport' in globalThis;
  const wants = (kind: TransportKind): boolean => choice === 'auto' || choice === kind;
  if (info.webtransport && hasWebTransport && wants('webtransport')) kinds.push('webtransport');
  if (info.websocket && wants('websocket')) kinds.push('websocket');
  if (info.http && wants('http')) kinds.push('http');
  return kinds;
}

function open(kind: TransportKind, info: ConnectInfo, signal: AbortSignal): Promise<Transport> {
  if (kind === 'webtransport' && info.webtransport) {
    return openWebTransport(info.webtransport.url, info.webtransport.hashes, signal);
  }
  if (kind === 'websocket' && info.websocket) return openWebSocket(info.websocket.url, signal);
  if (kind === 'http' && info.http) return openHttp(info.http.url, signal);
  return Promise.reject(failure('unreachable', `the server has no ${kind}`, true));
}
