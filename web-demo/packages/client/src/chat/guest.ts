/** Signing in as a guest, where the server allows it (`skywave serve --demo`). */
import { failure, messageOf } from '../errors.ts';
import { isRecord, number, text } from '../wire/json.ts';
import { readError } from './http.ts';

/** A guest's token, and whom it names. */
export interface Guest {
  /** For `connect` or `Session.signIn`. */
  readonly token: string;
  /** Who that is. */
  readonly sub: string;
  /** The name asked for. */
  readonly name: string;
  /** When the token runs out, in milliseconds since the Unix epoch. */
  readonly expiresAt: number;
}

/**
 * Asks a server for a guest's token.
 *
 * @param server its origin, as `Session.server` has it.
 * @param before a guest's token that still holds: the next one is for the same guest.
 * @throws SkywaveError with the server's code, `unreachable`, or `not_found` where there
 * are no guests.
 */
export async function signInAsGuest(server: string, name: string, before?: string): Promise<Guest> {
  const response = await fetch(`${server}/api/v1/guest`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(before === undefined ? {} : { authorization: `Bearer ${before}` }),
    },
    body: JSON.stringify({ name }),
    signal: AbortSignal.timeout(10_000),
  }).catch((error: unknown) => {
    throw failure('unreachable', messageOf(error), true);
  });
  if (!response.ok) throw readError(response.status, await response.text());
  const json: unknown = await response.json();
  const token = isRecord(json) ? text(json, 'token') : undefined;
  const user = isRecord(json) && isRecord(json.user) ? json.user : undefined;
  const sub = user && text(user, 'sub');
  if (!user || token === undefined || sub === undefined) {
    throw failure('internal', 'the server told no token');
  }
  const expiresAt = (number(user, 'expires_at') ?? 0) * 1000;
  return { token, sub, name: text(user, 'name') ?? name, expiresAt };
}
