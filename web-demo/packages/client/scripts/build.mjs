/**
 * Builds `dist/`: the library for bundlers (`index.js`), the player for any web page
 * (`player.js`), worker and worklet as files for sites that forbid `blob:`, and the
 * receiver's WebAssembly. Types come from tsc afterwards.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { bundleScript, inlineScripts } from './inline-scripts.mjs';
import { readWasm } from './wasm.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = `${root}dist`;

const wasm = await readWasm();
await rm(dist, { recursive: true, force: true });
await mkdir(dist, { recursive: true });
await writeFile(`${dist}/player.wasm`, wasm.bytes);

for (const [name, entry] of [
  ['index', 'src/index.ts'],
  ['player', 'src/element/define.ts'],
]) {
  await build({
    configFile: false,
    root,
    logLevel: 'warn',
    plugins: [inlineScripts()],
    // The version in the address: a cache never pairs a script with another build's receiver.
    // Bundlers find the plain name and take the file along.
    define: {
      __WASM_FILE__: JSON.stringify(
        name === 'player' ? `player.wasm?v=${wasm.hash}` : 'player.wasm',
      ),
    },
    build: {
      outDir: dist,
      emptyOutDir: false,
      target: 'es2022',
      minify: name === 'player',
      lib: { entry: `${root}${entry}`, formats: ['es'], fileName: () => `${name}.js` },
    },
  });
}

for (const [name, entry] of [
  ['worker', 'src/session/worker.ts'],
  ['worklet', 'src/worklet/processor.ts'],
]) {
  await writeFile(`${dist}/${name}.js`, await bundleScript(`${root}${entry}`));
}
