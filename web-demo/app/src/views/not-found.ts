/** The page for addresses that lead nowhere. */
import { h } from '../dom.ts';
import { Sea } from '../parts/sea.ts';
import type { View } from './view.ts';

/** Builds it. */
export function notFoundView(): View {
  const sea = new Sea();
  const element = h(
    'div',
    { class: 'page' },
    h(
      'section',
      { class: 'sky is-empty', 'aria-label': 'Not found' },
      h(
        'div',
        { class: 'sky-text' },
        h('h1', { text: 'Nothing on this frequency' }),
        h('p', { class: 'sky-lead', text: 'There is no page at this address.' }),
        h('p', {}, h('a', { class: 'button', href: '/', text: 'See what is on air' })),
      ),
      sea.element,
    ),
  );
  return {
    element,
    title: 'Not found · Skywave',
    close: () => {
      sea.close();
    },
  };
}
