/** Close numbers as transports report them. */

/** `{code}` when `number` is one the protocol defines a meaning for, else nothing. */
export function closeNumber(number: number | undefined): { code?: number } {
  return number !== undefined && number > 0 && number < 1000 ? { code: number } : {};
}
