/** Every station has a sky of its own hour: a hue that follows from its id. Pure. */

// From rose over orange to blue; greens make no sky.
const HUES = [28, 12, 350, 325, 300, 280, 262, 245, 228];

/** A hue in degrees for `oklch()`, the same for the same id everywhere. */
export function stationHue(id: string): number {
  let hash = 0;
  for (const character of id) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) >>> 0;
  return HUES[hash % HUES.length] ?? 28;
}
