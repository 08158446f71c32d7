/** Everybody has a small sky of their own, as stations do; decoration only. */
import { h, setText } from '../dom.ts';
import { stationHue } from './station-colors.ts';

/** Builds it. `id` gives the colours, `name` the letter. */
export function avatar(id: string, name: string): HTMLElement {
  const element = h('span', { class: 'avatar', 'aria-hidden': 'true' });
  showAvatar(element, id, name);
  return element;
}

/** Changes whose it is. */
export function showAvatar(element: HTMLElement, id: string, name: string): void {
  element.style.setProperty('--hue', String(stationHue(id)));
  const [letter = '?'] = name.trim();
  setText(element, letter.toLocaleUpperCase());
}
