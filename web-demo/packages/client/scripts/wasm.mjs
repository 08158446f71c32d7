/** Finds the receiver's WebAssembly, which `make worklet` builds. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const BUILT = '../../../../target/wasm32-unknown-unknown/release/skywave_worklet.wasm';

/** Its bytes and a short hash of them. `SKYWAVE_WASM` names another file. */
export async function readWasm() {
  const file = process.env.SKYWAVE_WASM ?? fileURLToPath(new URL(BUILT, import.meta.url));
  let bytes;
  try {
    bytes = await readFile(file);
  } catch {
    throw new Error(
      `${file} is missing: build it with\n` +
        '  cargo build --release --target wasm32-unknown-unknown -p skywave-worklet',
    );
  }
  return { bytes, hash: createHash('sha256').update(bytes).digest('hex').slice(0, 10) };
}
