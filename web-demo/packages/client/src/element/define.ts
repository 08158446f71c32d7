/** Registers `<skywave-player>`: what `player.js` on a web page does. */
import { SkywavePlayerElement } from './skywave-player.ts';

// Twice on a page, say from two widgets, is no error: the first one stays.
if (!customElements.get('skywave-player')) {
  customElements.define('skywave-player', SkywavePlayerElement);
}

export { SkywavePlayerElement };
export * from '../index.ts';

declare global {
  interface HTMLElementTagNameMap {
    'skywave-player': SkywavePlayerElement;
  }
}
