/** Buttons and links that look like them. */
import { h } from '../dom.ts';

/** A small button. */
export function button(
  text: string,
  click: () => void,
  options: { readonly class?: string; readonly label?: string } = {},
): HTMLButtonElement {
  return h('button', {
    type: 'button',
    class: options.class ?? 'button button-small button-quiet',
    text,
    'aria-label': options.label,
    on: { click },
  });
}

/** A link that looks like a small button. */
export function buttonLink(text: string, href: string): HTMLAnchorElement {
  return h('a', { class: 'button button-small button-quiet', href, text });
}

/**
 * Makes a group of buttons one stop of the Tab key, with arrow keys within it.
 *
 * @param leave is called on Escape.
 */
export function roving(group: HTMLElement, leave: () => void): void {
  const items = [...group.querySelectorAll<HTMLElement>('button, a')];
  items.forEach((item, at) => {
    item.tabIndex = at === 0 ? 0 : -1;
  });
  const go = (from: number, to: number): void => {
    const next = items.at(to % items.length);
    items[from]?.setAttribute('tabindex', '-1');
    next?.setAttribute('tabindex', '0');
    next?.focus();
  };
  group.addEventListener('keydown', (event) => {
    const at = items.indexOf(event.target as HTMLElement);
    const steps: Record<string, number> = {
      ArrowRight: at + 1,
      ArrowDown: at + 1,
      ArrowLeft: at - 1,
      ArrowUp: at - 1,
      Home: 0,
      End: -1,
    };
    const to = steps[event.key];
    if (event.key === 'Escape') leave();
    else if (to === undefined) return;
    else go(at, to);
    event.preventDefault();
    event.stopPropagation();
  });
}
