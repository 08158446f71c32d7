/** A station's state in words and colour, the same wherever it is shown. */
import { h, setText } from '../dom.ts';
import type { StationState } from '@skywave/client';

const WORDS: Record<StationState, string> = {
  live: 'Live',
  interrupted: 'Interrupted',
  offline: 'Off air',
};

/** A small label; update it with {@link showState}. */
export function stateBadge(): HTMLElement {
  return h('span', { class: 'badge' });
}

/** Shows a state in a label. */
export function showState(badge: HTMLElement, state: StationState): void {
  setText(badge, WORDS[state]);
  badge.dataset.state = state;
}
