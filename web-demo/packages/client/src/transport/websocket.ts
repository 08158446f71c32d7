/** The fallback: control frames as text messages, datagrams as binary ones. */
import { closeNumber } from './close.ts';
import { DATAGRAM_BYTES_MAX } from '../wire/datagram.ts';
import { WEBSOCKET_CODE_BASE } from '../wire/ends.ts';
import { WEBSOCKET_PROTOCOL } from '../wire/control.ts';
import type { Transport, TransportEvents } from './transport.ts';

// Audio we send is worth nothing once it is late: at most some 200 ms at 128 kb/s wait.
const SEND_BUFFER_BYTES_MAX = 4_096;

/** Connects; rejects when it cannot, or when `signal` aborts. */
export function openWebSocket(url: string, signal: AbortSignal): Promise<Transport> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, WEBSOCKET_PROTOCOL);
    socket.binaryType = 'arraybuffer';
    const abort = (): void => {
      fail('aborted');
      socket.close();
    };
    const fail = (reason: string): void => {
      signal.removeEventListener('abort', abort);
      reject(new Error(`the WebSocket did not open: ${reason}`));
    };
    socket.onopen = () => {
      signal.removeEventListener('abort', abort);
      resolve(new WebSocketTransport(socket));
    };
    // Browsers tell scripts nothing about the cause, for the user's privacy.
    socket.onclose = (event) => {
      fail(`code ${event.code}`);
    };
    signal.addEventListener('abort', abort, { once: true });
  });
}

class WebSocketTransport implements Transport {
  readonly kind = 'websocket';
  readonly #socket: WebSocket;
  #events: TransportEvents | undefined;
  // Messages that come between opening and `start`, normally none.
  #early: (string | ArrayBuffer)[] = [];

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => {
      if (this.#events) this.#deliver(this.#events, event.data);
      else this.#early.push(event.data);
    };
    socket.onclose = (event) => {
      const code = closeNumber(event.code - WEBSOCKET_CODE_BASE);
      this.#events?.onEnd({ ...code, reason: event.reason || `WebSocket code ${event.code}` });
    };
  }

  start(events: TransportEvents): void {
    this.#events = events;
    for (const message of this.#early.splice(0)) this.#deliver(events, message);
    if (this.#socket.readyState >= WebSocket.CLOSING) {
      this.#socket.onclose = null;
      queueMicrotask(() => {
        events.onEnd({ reason: 'closed before it was used' });
      });
    }
  }

  sendFrame(text: string): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(text);
  }

  sendDatagram(bytes: Uint8Array<ArrayBuffer>): void {
    const { readyState, bufferedAmount } = this.#socket;
    if (readyState === WebSocket.OPEN && bufferedAmount <= SEND_BUFFER_BYTES_MAX) {
      this.#socket.send(bytes);
    }
  }

  close(code: number, reason: string): void {
    this.#socket.close(WEBSOCKET_CODE_BASE + code, reason);
  }

  #deliver(events: TransportEvents, message: string | ArrayBuffer): void {
    if (typeof message === 'string') events.onFrame(message);
    else if (message.byteLength <= DATAGRAM_BYTES_MAX) events.onDatagram(new Uint8Array(message));
  }
}
