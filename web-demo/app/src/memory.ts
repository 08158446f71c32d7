/** What the page remembers. Where storage is forbidden it merely forgets. */

/** What was kept under a key. */
export function recall(key: string): string | undefined {
  try {
    return localStorage.getItem(key) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Keeps something. */
export function keep(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // See the file's head.
  }
}

/** Forgets something. */
export function forget(key: string): void {
  try {
    localStorage.removeItem(key);
  } catch {
    // See the file's head.
  }
}
