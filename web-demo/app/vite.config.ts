import { createReadStream } from 'node:fs';
import { copyFile, readdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin } from 'vite';
// Plain scripts of the client package, which its own build uses as well.
import { bundleScript, inlineScripts } from '../packages/client/scripts/inline-scripts.mjs';
import { readWasm } from '../packages/client/scripts/wasm.mjs';

const clientDist = fileURLToPath(new URL('../packages/client/dist/', import.meta.url));

/** Puts the embeddable player beside the site, as the server hands both out. */
function embeddablePlayer(): Plugin {
  return {
    name: 'skywave-embeddable-player',
    configureServer(server) {
      server.middlewares.use('/player.wasm', (_request, response) => {
        response.setHeader('content-type', 'application/wasm');
        createReadStream(`${clientDist}player.wasm`).pipe(response);
      });
    },
    async writeBundle({ dir }) {
      const wanted = (await readdir(clientDist)).filter((name) => name.startsWith('player.'));
      for (const name of wanted) await copyFile(`${clientDist}${name}`, `${dir ?? 'dist'}/${name}`);
    },
  };
}

/** Puts the service worker at the site's root: it serves the paths below its own. */
function serviceWorker(): Plugin {
  const entry = fileURLToPath(new URL('src/service-worker.ts', import.meta.url));
  return {
    name: 'skywave-service-worker',
    configureServer(server) {
      server.middlewares.use('/service-worker.js', (_request, response, next) => {
        response.setHeader('content-type', 'text/javascript');
        bundleScript(entry, false).then((script) => response.end(script), next);
      });
    },
    async writeBundle({ dir }) {
      await writeFile(`${dir ?? 'dist'}/service-worker.js`, await bundleScript(entry));
    },
  };
}

export default defineConfig(async () => {
  const { hash } = await readWasm();
  return {
    resolve: { conditions: ['source', 'module', 'browser', 'import', 'default'] },
    define: { __WASM_FILE__: JSON.stringify(`/player.wasm?v=${hash}`) },
    plugins: [inlineScripts(), embeddablePlayer(), serviceWorker()],
    build: {
      target: 'es2022',
      // Nothing inline: the site runs under a strict Content-Security-Policy.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
    },
    server: {
      // The relay names its other addresses after the host it was asked by.
      proxy: {
        '/api': {
          target: process.env.SKYWAVE_SERVER ?? 'http://localhost:8080',
          changeOrigin: true,
        },
      },
      fs: { allow: ['..'] },
    },
  };
});
