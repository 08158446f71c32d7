/** The preferred transport: QUIC datagrams and streams through WebTransport. */
import { closeNumber } from './close.ts';
import { encodeFrame, FrameSplitter } from '../wire/splitter.ts';
import { messageOf } from '../errors.ts';
import type { CertificateHash } from '../connect-info.ts';
import type { Transport, TransportEvents } from './transport.ts';

// At a high-water mark of 1, the default, Chromium drops every datagram that arrives while
// the reader is between two reads; 64 lost none. 128 is 2.5 s of 20 ms packets.
const DATAGRAMS_HELD = 128;
// What waited longer than this for a stalled worker is too late to be played.
const DATAGRAM_AGE_MS_MAX = 1_000;

/** Connects; rejects when it cannot, or when `signal` aborts. */
export async function openWebTransport(
  url: string,
  hashes: readonly CertificateHash[],
  signal: AbortSignal,
): Promise<Transport> {
  const session = new WebTransport(url, {
    allowPooling: false,
    requireUnreliable: true,
    congestionControl: 'low-latency',
    ...(hashes.length === 0 ? {} : { serverCertificateHashes: hashes.map(toBrowserHash) }),
  });
  const abort = (): void => {
    closeQuietly(session);
  };
  signal.addEventListener('abort', abort, { once: true });
  // A session that fails rejects both promises; the one nobody awaits must not be reported.
  session.closed.catch(() => undefined);
  try {
    await session.ready;
    holdDatagrams(session.datagrams);
    const control = await session.createBidirectionalStream();
    if (signal.aborted) throw new Error('aborted');
    return new WebTransportTransport(session, control);
  } catch (error) {
    closeQuietly(session);
    throw new Error(`WebTransport did not connect: ${messageOf(error)}`);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function toBrowserHash({ algorithm, value }: CertificateHash): WebTransportHash {
  const bytes = Uint8Array.from(atob(value), (character) => character.charCodeAt(0));
  return { algorithm, value: bytes };
}

// The specification renamed these while browsers shipped; setting what a browser does not
// know is harmless.
function holdDatagrams(datagrams: WebTransportDatagramDuplexStream): void {
  Object.assign(datagrams, {
    incomingHighWaterMark: DATAGRAMS_HELD,
    incomingMaxBufferedDatagrams: DATAGRAMS_HELD,
    incomingMaxAge: DATAGRAM_AGE_MS_MAX,
  });
}

function closeQuietly(session: WebTransport): void {
  try {
    session.close();
  } catch {
    // It was never open: nothing to close.
  }
}

class WebTransportTransport implements Transport {
  readonly kind = 'webtransport';
  readonly #session: WebTransport;
  readonly #control: WebTransportBidirectionalStream;
  readonly #frames: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #encoder = new TextEncoder();
  #datagrams: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>> | undefined;
  #ended = false;
  #closing: number | undefined;

  constructor(session: WebTransport, control: WebTransportBidirectionalStream) {
    this.#session = session;
    this.#control = control;
    this.#frames = (control.writable as WritableStream<Uint8Array<ArrayBuffer>>).getWriter();
    this.#frames.closed.catch(() => undefined);
  }

  start(events: TransportEvents): void {
    const end = (code: number | undefined, reason: string): void => {
      if (this.#ended) return;
      this.#ended = true;
      closeQuietly(this.#session);
      events.onEnd({ ...closeNumber(code), reason });
    };
    this.#session.closed.then(
      (info) => {
        end(info.closeCode, info.reason ?? 'the session was closed');
      },
      (error: unknown) => {
        end(undefined, messageOf(error));
      },
    );
    this.#readFrames(this.#control.readable as ReadableStream<Uint8Array>, events).then(
      () => {
        // The relay ends a session after its `bye` without always saying so (a close
        // capsule is optional): the end of the control stream is the end of the session.
        end(this.#closing, 'the relay ended the control stream');
      },
      (error: unknown) => {
        end(undefined, messageOf(error));
      },
    );
    // The end of the others without the session's end is nothing to act on.
    this.#readStreams(events).catch(() => undefined);
    this.#readDatagrams(events).catch(() => undefined);
  }

  sendFrame(text: string): void {
    if (this.#ended) return;
    // A failed write is the session's end, which is reported there.
    this.#frames.write(encodeFrame(this.#encoder.encode(text))).catch(() => undefined);
  }

  sendDatagram(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#ended) return;
    this.#datagrams ??= datagramWriter(this.#session.datagrams);
    if ((this.#datagrams.desiredSize ?? 0) <= 0) return;
    this.#datagrams.write(bytes).catch(() => undefined);
  }

  close(code: number, reason: string): void {
    this.#closing = code;
    try {
      this.#session.close({ closeCode: code, reason });
    } catch {
      closeQuietly(this.#session);
    }
  }

  async #readDatagrams(events: TransportEvents): Promise<void> {
    const readable = this.#session.datagrams.readable as ReadableStream<Uint8Array<ArrayBuffer>>;
    const reader = readable.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done || this.#ended) return;
      events.onDatagram(value);
    }
  }

  async #readStreams(events: TransportEvents): Promise<void> {
    const streams = this.#session.incomingUnidirectionalStreams as ReadableStream<
      ReadableStream<Uint8Array>
    >;
    const reader = streams.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done || this.#ended) return;
      this.#readFrames(value, events).catch(() => undefined);
    }
  }

  async #readFrames(stream: ReadableStream<Uint8Array>, events: TransportEvents): Promise<void> {
    const reader = stream.getReader();
    const splitter = new FrameSplitter();
    const decoder = new TextDecoder();
    for (;;) {
      const { value, done } = await reader.read();
      if (done || this.#ended) return;
      for (const frame of splitter.push(value)) events.onFrame(decoder.decode(frame));
    }
  }
}

/** The newer interface first (Safari, Firefox), then the one of Chromium. */
function datagramWriter(
  datagrams: WebTransportDatagramDuplexStream,
): WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>> {
  const newer = datagrams as { createWritable?: () => WritableStream<Uint8Array<ArrayBuffer>> };
  const writable =
    newer.createWritable?.() ?? (datagrams.writable as WritableStream<Uint8Array<ArrayBuffer>>);
  const writer = writable.getWriter();
  writer.closed.catch(() => undefined);
  return writer;
}
