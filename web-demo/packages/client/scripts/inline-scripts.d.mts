import type { Plugin } from 'vite';

/** Bundles one entry into script text that needs nothing else. */
export function bundleScript(entry: string, minify?: boolean): Promise<string>;

/** The Vite plugin behind `?script` and `?scriptfile`. */
export function inlineScripts(): Plugin;
