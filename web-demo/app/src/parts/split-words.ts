/** Which parts of a text are words that were looked for. Pure. */

/** A part of a text. */
export interface Part {
  /** The text. */
  readonly part: string;
  /** Whether it was looked for. */
  readonly hit: boolean;
}

/** Folded as the server compares words: without case and accents. */
function folded(word: string): string {
  return word.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
}

/** Cuts a text at the words of a query, whole words only. */
export function splitByWords(text: string, query: string): Part[] {
  const wanted = new Set(folded(query).match(/[\p{L}\p{N}]+/gu) ?? []);
  const parts: Part[] = [];
  for (const [part] of text.matchAll(/[\p{L}\p{N}\p{M}]+|[^\p{L}\p{N}\p{M}]+/gu)) {
    const hit = wanted.has(folded(part));
    const last = parts.at(-1);
    if (last && !hit && !last.hit) parts[parts.length - 1] = { part: last.part + part, hit };
    else parts.push({ part, hit });
  }
  return parts;
}
