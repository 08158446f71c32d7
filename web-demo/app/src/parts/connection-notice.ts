/** Says when the page has lost the server; silent otherwise. */
import { errorWords } from '../error-words.ts';
import { h, setText } from '../dom.ts';
import type { Session, SessionStatus } from '@skywave/client';

// A restart that is over sooner than this needs no words.
const PATIENCE_MS = 1_500;

/** A status line in the page's header. */
export function connectionNotice(session: Session): HTMLElement {
  const notice = h('p', { class: 'notice', role: 'status' });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const show = (status: SessionStatus): void => {
    clearTimeout(timer);
    const text = wording(status);
    if (text === '') setText(notice, '');
    else
      timer = setTimeout(() => {
        setText(notice, text);
      }, PATIENCE_MS);
  };
  session.on('status', show);
  show(session.status);
  return notice;
}

function wording({ phase, error }: SessionStatus): string {
  switch (phase) {
    case 'connected':
      return '';
    case 'connecting':
      return 'Connecting…';
    case 'reconnecting':
      return 'Connection lost, trying again…';
    case 'closed':
      return error ? `Disconnected. ${errorWords(error)}` : 'Disconnected';
  }
}
