/** The protocol on the wire; pure, the same under Node and in any browser thread. */
export * from './wire/chat.ts';
export * from './wire/chat-events.ts';
export * from './wire/control.ts';
export * from './wire/datagram.ts';
export * from './wire/ends.ts';
export * from './wire/json.ts';
export * from './wire/objects.ts';
export * from './wire/repair.ts';
export * from './wire/splitter.ts';
export * from './wire/varint.ts';
