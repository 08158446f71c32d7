/** Every station has a sky of its own hour: a hue that follows from its id. Pure. */

// The colours a low sun has: from violet over rose and orange to gold.
const HUES = [32, 45, 58, 72, 18, 4, 350, 335, 318];

/** A hue in degrees for `oklch()`, the same for the same id everywhere. */
export function stationHue(id: string): number {
  let hash = 0;
  for (const character of id) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) >>> 0;
  return HUES[hash % HUES.length] ?? 32;
}
