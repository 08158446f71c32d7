/** What went wrong, in sentences for people. Pure. */
import type { ErrorObject } from '@skywave/client';

/** Codes whose own message says it to programs alone. */
const SENTENCES: Record<string, string> = {
  banned: 'You may not take part here.',
  blocked_text: 'That holds a word that is not allowed here.',
  closed: 'The connection was closed.',
  conflict: 'Somebody changed that meanwhile. Look again, then try once more.',
  disconnected: 'The connection was lost, and it is not known whether that was done.',
  followers_only: 'Only followers of the station write here.',
  forbidden: 'You may not do that.',
  internal: 'The server failed at that. Try again later.',
  muted: 'You may read here, but not write.',
  not_member: 'Join first.',
  timeout: 'The server did not answer in time. Try again.',
  too_large: 'That is too large.',
  unauthorized: 'Sign in first.',
  unavailable: 'The server cannot keep anything just now. Try again in a moment.',
  unknown_message: 'That message is not here any more.',
  unknown_method: 'This server cannot do that.',
  unknown_room: 'There is nothing here, or it is not for you to see.',
  unreachable: 'The server cannot be reached. Try again when you are online.',
};

/** Says what went wrong, whatever was thrown. */
export function errorWords(error: unknown): string {
  if (isTold(error)) return toldWords(error);
  return error instanceof Error && error.message !== '' ? error.message : 'That did not work.';
}

function isTold(error: unknown): error is ErrorObject {
  return typeof (error as { code?: unknown } | undefined)?.code === 'string';
}

function toldWords({ code, message, retryAfterMs }: ErrorObject): string {
  const again = retryAfterMs === undefined ? 'in a moment' : `in ${waiting(retryAfterMs)}`;
  if (code === 'rate_limited') return `That was a lot at once. Try again ${again}.`;
  if (code === 'slow_mode') return `Slow mode: you can write again ${again}.`;
  return SENTENCES[code] ?? sentence(message);
}

/** `a second`, `20 seconds`, `3 minutes`. */
function waiting(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  if (seconds <= 1) return 'a second';
  return seconds < 120 ? `${seconds} seconds` : `${Math.ceil(seconds / 60)} minutes`;
}

/** `name: 1 to 64 characters` becomes `Name: 1 to 64 characters.` */
function sentence(message: string): string {
  const text = message.trim();
  if (text === '') return 'That did not work.';
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.');
}
