/** A script of ours, bundled, as text. */
declare module '*?script' {
  const source: string;
  export default source;
}

/** Name of the WebAssembly file beside the built script, with its version. */
declare const __WASM_FILE__: string;
