/** What a session needs of a connection, whatever carries it. */

/** How the frames and datagrams travel; by `http`, server-sent events and POST, no datagrams do. */
export type TransportKind = 'webtransport' | 'websocket' | 'http';

/** What a caller may ask for: one of them, or the best that works. */
export type TransportChoice = 'auto' | TransportKind;

/** Why a connection ended. */
export interface TransportEnd {
  /** The protocol's close number, when the relay's close carried one. */
  readonly code?: number;
  /** For logs. */
  readonly reason: string;
}

/** Called as things arrive; set before the next turn of the event loop. */
export interface TransportEvents {
  /** One control frame's JSON. */
  onFrame(text: string): void;
  /** One datagram; its bytes are the receiver's to keep or transfer. */
  onDatagram(bytes: Uint8Array<ArrayBuffer>): void;
  /** The connection ended, by whoever; called once and last. */
  onEnd(end: TransportEnd): void;
}

/** An established connection. */
export interface Transport {
  /** Which one it is. */
  readonly kind: TransportKind;
  /** Begins delivery; what arrived earlier comes now. Called once. */
  start(events: TransportEvents): void;
  /** Sends a control frame's JSON. Ignored once the connection has ended. */
  sendFrame(text: string): void;
  /**
   * Sends a datagram, at most 1,200 bytes. It may be lost; when the network cannot keep
   * up the transport drops it rather than queueing.
   */
  sendDatagram(bytes: Uint8Array<ArrayBuffer>): void;
  /** Ends the connection with a close number of the protocol; `onEnd` follows. */
  close(code: number, reason: string): void;
}
