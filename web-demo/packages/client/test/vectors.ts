/** The golden vectors that pin Rust and TypeScript to one wire format. */
import { readFileSync } from 'node:fs';

/** Reads a file of `wire/vectors`. */
// The caller knows the file's shape, as only it reads it.
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters
export function vectors<T>(name: string): T {
  const file = new URL(`../../../../wire/vectors/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as T;
}

/** The bytes of a hex string. */
export function fromHex(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}

/** The hex string of bytes. */
export function toHex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
