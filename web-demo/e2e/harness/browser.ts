/** A page in one of the browsers under test. */
export interface Tab {
  open(url: string): Promise<void>;
  /**
   * Runs a function in the page and gives its answer, which must be JSON. The function
   * may be async; it sees nothing but its arguments and the page.
   */
  run<A extends readonly unknown[], R>(
    call: (...args: A) => R | Promise<R>,
    ...args: A
  ): Promise<R>;
  /** Errors and warnings that the page wrote to its console, as far as the browser tells. */
  readonly complaints: readonly string[];
  /** Writes a PNG of what is visible. */
  screenshot(path: `${string}.png`): Promise<void>;
  close(): Promise<void>;
}

/** A running browser. */
export interface Browser {
  readonly name: 'chromium' | 'firefox' | 'webkit';
  /** Opens a tab; in WebKitGTK there is one, reused. */
  tab(): Promise<Tab>;
  /** Whether it still runs and answers. */
  alive(): Promise<boolean>;
  close(): Promise<void>;
}

/** An expression that calls a function of ours in a page. */
export function callSource(call: (...args: never[]) => unknown, args: readonly unknown[]): string {
  // The TypeScript loader wraps nested functions in `__name(...)`, which no page knows.
  return `(() => { const __name = (f) => f; return (${call.toString()})(...${JSON.stringify(args)}); })()`;
}
