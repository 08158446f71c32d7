/** Where the worker, the worklet and the receiver's WebAssembly come from. */
import workerSource from './session/worker.ts?script';
import workletSource from './worklet/processor.ts?script';
import { failure, messageOf } from './errors.ts';

/**
 * Addresses of the parts that run beside the page.
 *
 * By default worker and worklet are inside this very script and start from `blob:`
 * addresses, which works on any site, and the WebAssembly is fetched from beside it. A site
 * whose Content-Security-Policy forbids `blob:` names files of its own origin here.
 */
export interface Assets {
  /** The worker's script; must be of the page's own origin. */
  readonly worker?: string;
  /** The audio worklet's script. */
  readonly worklet?: string;
  /** The receiver's WebAssembly. */
  readonly wasm?: string;
}

const blobs = new Map<string, string>();
const wasms = new Map<string, Promise<ArrayBuffer>>();

/** Starts the session's worker. */
export function startWorker(assets: Assets): Worker {
  return new Worker(assets.worker ?? blobUrl(workerSource), { name: 'skywave' });
}

/** The address of the worklet's script. */
export function workletUrl(assets: Assets): string {
  return assets.worklet ?? blobUrl(workletSource);
}

/** The receiver's WebAssembly; fetched once, tried again after a failure. */
export function fetchWasm(assets: Assets): Promise<ArrayBuffer> {
  const url = assets.wasm ?? new URL(__WASM_FILE__, import.meta.url).href;
  let wasm = wasms.get(url);
  if (!wasm) {
    wasm = load(url);
    wasms.set(url, wasm);
    wasm.catch(() => {
      wasms.delete(url);
    });
  }
  return wasm;
}

async function load(url: string): Promise<ArrayBuffer> {
  try {
    const response = await fetch(url, { credentials: 'omit' });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    return await response.arrayBuffer();
  } catch (error) {
    throw failure('unreachable', `the player's WebAssembly: ${messageOf(error)}`, true);
  }
}

// Kept for the page's life: a restarted worker needs it again.
function blobUrl(source: string): string {
  let url = blobs.get(source);
  if (url === undefined) {
    url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
    blobs.set(source, url);
  }
  return url;
}
