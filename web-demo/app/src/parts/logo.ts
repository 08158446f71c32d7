/** The mark: a wave that leaves the ground, meets the sky and comes down far away. */
import { h } from '../dom.ts';

/** The logo as an inline drawing, coloured by the page. */
export function logo(): HTMLElement {
  const span = h('span', { class: 'logo' });
  span.innerHTML = `<svg viewBox="0 0 32 32" aria-hidden="true">
    <circle class="logo-sun" cx="9" cy="8.5" r="5"/>
    <path d="M3 25C5.5 15 12.5 15 15 25M15 25C17 12 27 12 29 25"/>
    <path class="logo-ground" d="M2.5 29h27"/>
  </svg>`;
  return span;
}
