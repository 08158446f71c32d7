/** The lines that put a station's player on another site, to be copied. */
import { h, setText } from '../dom.ts';

const COPIED_MS = 2_500;

/** The lines themselves. */
export function embedSnippet(origin: string, station: string): string {
  return [
    `<script type="module" src="${origin}/player.js"></script>`,
    `<skywave-player station="${station}"></skywave-player>`,
  ].join('\n');
}

/** A panel that unfolds. */
export function embedPanel(station: string): HTMLElement {
  const snippet = embedSnippet(location.origin, station);
  const told = h('span', { class: 'copied', role: 'status' });
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(snippet);
      setText(told, 'Copied');
    } catch {
      // Without permission, or on plain http: the text can be marked by hand.
      getSelection()?.selectAllChildren(code);
      setText(told, 'Marked: copy it with the keyboard');
    }
    setTimeout(() => {
      setText(told, '');
    }, COPIED_MS);
  };
  const code = h('code', { text: snippet });
  return h(
    'details',
    { class: 'panel' },
    h('summary', {}, h('h2', { text: 'Put it on your site' })),
    h('p', { text: 'Two lines, on any page. They need nothing else.' }),
    h('pre', { tabindex: '0', role: 'group', 'aria-label': 'Embed code' }, code),
    h(
      'p',
      { class: 'copy-row' },
      h('button', {
        type: 'button',
        class: 'button',
        text: 'Copy code',
        on: {
          click: () => {
            void copy();
          },
        },
      }),
      told,
    ),
  );
}
