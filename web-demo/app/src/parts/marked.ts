/** Text with the words that were looked for marked. */
import { h } from '../dom.ts';
import { splitByWords } from './split-words.ts';

/** Nodes for the text; never HTML. */
export function marked(text: string, query: string): (Node | string)[] {
  return splitByWords(text, query).map(({ part, hit }) => (hit ? h('mark', { text: part }) : part));
}
