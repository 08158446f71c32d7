/** The receiver's WebAssembly as built, and a short hash of it. */
export function readWasm(): Promise<{ bytes: Uint8Array; hash: string }>;
