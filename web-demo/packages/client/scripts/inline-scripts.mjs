/**
 * Vite plugin: `import source from './worker.ts?script'` gives that script, bundled with all
 * it imports, as text. So one file holds a player with its worker and its worklet, whatever
 * bundler a site uses.
 */
import { basename } from 'node:path';
import { build } from 'vite';

const SUFFIXES = ['?script', '?scriptfile'];
const PREFIX = '\0skywave-script:';

/** Bundles one entry into classic script text that needs nothing else. */
export async function bundleScript(entry, minify = true) {
  const result = await build({
    configFile: false,
    logLevel: 'warn',
    build: {
      write: false,
      minify,
      target: 'es2022',
      lib: { entry, formats: ['iife'], name: 'skywaveScript' },
    },
  });
  const [{ output }] = Array.isArray(result) ? result : [result];
  const chunk = output.find((file) => file.type === 'chunk');
  return chunk.code;
}

/**
 * The plugin. In a site's build `?scriptfile` gives the address of the bundled script as a
 * file of its own.
 */
export function inlineScripts() {
  let serving = false;
  return {
    name: 'skywave-inline-scripts',
    enforce: 'pre',
    config(_config, { command }) {
      serving = command === 'serve';
    },
    async resolveId(source, importer) {
      const suffix = SUFFIXES.find((ending) => source.endsWith(ending));
      if (!suffix) return null;
      const file = await this.resolve(source.slice(0, -suffix.length), importer);
      // With an ending of its own, so that no other plugin takes it for TypeScript.
      return file && `${PREFIX}${file.id}${suffix}.js`;
    },
    async load(id) {
      if (!id.startsWith(PREFIX)) return null;
      const [entry, kind] = id.slice(PREFIX.length, -'.js'.length).split('?');
      // While developing, the scripts inside the library do.
      if (kind === 'scriptfile' && serving) return 'export default undefined;';
      this.addWatchFile(entry);
      const source = await bundleScript(entry);
      if (kind === 'script') return `export default ${JSON.stringify(source)};`;
      const name = basename(entry).replace(/\.ts$/, '.js');
      const reference = this.emitFile({ type: 'asset', name, source });
      return `export default import.meta.ROLLUP_FILE_URL_${reference};`;
    },
  };
}
