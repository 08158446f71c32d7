/** A chat in a browser: its clocks, its storage, ids from its random numbers. */
import { Chat } from './chat.ts';
import { systemTimers } from '../system-timers.ts';
import type { ChatSession } from './context.ts';
import type { OutboxStorage } from './outbox.ts';

/** Rooms, conversations, presence and notifications over a session; see {@link Chat}. */
export function createChat(session: ChatSession): Chat {
  const storage = messageStorage();
  return new Chat(session, {
    timers: systemTimers,
    random: () => Math.random(),
    newId,
    ...(storage === undefined ? {} : { storage }),
  });
}

/** 128 random bits; `crypto.randomUUID` is missing on plain http. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function messageStorage(): OutboxStorage | undefined {
  try {
    return globalThis.localStorage;
  } catch {
    return undefined;
  }
}
