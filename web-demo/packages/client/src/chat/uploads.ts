/** Pictures and voice messages: sent with progress, fetched with the session's token. */
import { failure } from '../errors.ts';
import { isRecord, text } from '../wire/json.ts';
import { readError } from './http.ts';

/** How an upload is sent. */
export interface UploadOptions {
  /** The server's origin. */
  readonly server: string;
  /** The user's token. */
  readonly token: string;
  /** The file's name, for who keeps it. */
  readonly name?: string;
  /** Told how much of it is sent, from 0 to 1. */
  readonly onProgress?: (share: number) => void;
  /** Gives it up. */
  readonly signal?: AbortSignal;
}

/**
 * Sends a file and gives the upload's id, for a message of type `media`.
 *
 * @throws SkywaveError with the server's code (`too_large`, `unsupported_type`, ...),
 * `unreachable`, or `closed` when it was given up.
 */
export function upload(file: Blob, options: UploadOptions): Promise<string> {
  const { server, token, name, onProgress, signal } = options;
  // `fetch` tells no progress of what it sends.
  const request = new XMLHttpRequest();
  return new Promise((resolve, reject) => {
    request.upload.onprogress = ({ loaded, total }) => onProgress?.(total > 0 ? loaded / total : 0);
    request.onload = () => {
      const id = request.status < 300 ? readId(request.responseText) : undefined;
      if (id === undefined) reject(readError(request.status, request.responseText));
      else resolve(id);
    };
    request.onerror = () => {
      reject(failure('unreachable', 'the connection was lost', true));
    };
    request.onabort = () => {
      reject(failure('closed', 'given up'));
    };
    const query = name === undefined ? '' : `?name=${encodeURIComponent(name)}`;
    request.open('POST', `${server}/api/v1/uploads${query}`);
    request.setRequestHeader('authorization', `Bearer ${token}`);
    request.setRequestHeader('content-type', file.type || 'application/octet-stream');
    signal?.addEventListener('abort', () => {
      request.abort();
    });
    request.send(file);
  });
}

function readId(body: string): string | undefined {
  const json: unknown = JSON.parse(body);
  return isRecord(json) ? text(json, 'id') : undefined;
}

/**
 * Fetches what a message of type `media` shows; only who may read the message gets it.
 *
 * @throws SkywaveError with the server's code.
 */
export async function fetchUpload(
  server: string,
  token: string | undefined,
  id: string,
): Promise<Blob> {
  const response = await fetch(`${server}/api/v1/uploads/${encodeURIComponent(id)}`, {
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  });
  if (!response.ok) throw readError(response.status, await response.text());
  return response.blob();
}
