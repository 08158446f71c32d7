/** Errors of the HTTP API, read the same wherever it is used. Pure. */
import { decodeError } from '../wire/control.ts';
import { failure, SkywaveError } from '../errors.ts';
import { isRecord } from '../wire/json.ts';

/** The error in an answer's body; what its status says when there is none. */
export function readError(status: number, body: string): SkywaveError {
  try {
    const json: unknown = JSON.parse(body);
    if (isRecord(json)) {
      if (isRecord(json.error)) return new SkywaveError(decodeError(json.error));
      if (typeof json.code === 'string') return new SkywaveError(decodeError(json));
    }
  } catch {
    // No JSON, as from a proxy or an older server.
  }
  const code = status === 404 ? 'not_found' : status === 413 ? 'too_large' : 'internal';
  return failure(code, `the server answered ${status}`, status >= 500 || status === 429);
}
