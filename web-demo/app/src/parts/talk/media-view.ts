/** Pictures and voice messages, fetched as who one is. */
import { fetchUpload, previewOf, type Content, type Session } from '@skywave/client';
import { h } from '../../dom.ts';

type Media = Content & { readonly type: 'media' };

const KEPT_MAX = 60;
// By upload, as a list is drawn again and again; the oldest addresses are given back.
const addresses = new Map<string, Promise<string>>();

function address(session: Session, upload: string): Promise<string> {
  const known = addresses.get(upload);
  if (known) return known;
  const fetched = fetchUpload(session.server, session.token, upload).then((blob) =>
    URL.createObjectURL(blob),
  );
  addresses.set(upload, fetched);
  fetched.catch(() => addresses.delete(upload));
  const [oldest] = addresses.keys();
  if (addresses.size > KEPT_MAX && oldest !== undefined) {
    void addresses.get(oldest)?.then((url) => {
      URL.revokeObjectURL(url);
    });
    addresses.delete(oldest);
  }
  return fetched;
}

/** Builds what shows it; it says so when it cannot be fetched. */
export function mediaView(session: Session, content: Media, from: string): HTMLElement {
  const frame = h('div', { class: `media media-${content.kind}` });
  void fill(frame, session, content, from);
  return frame;
}

async function fill(frame: HTMLElement, session: Session, content: Media, from: string) {
  const { kind, caption } = content;
  try {
    const url = await address(session, content.upload);
    const label = caption ?? `${previewOf({ ...content })} from ${from}`;
    frame.replaceChildren(media(kind, url, label));
  } catch {
    frame.replaceChildren(h('p', { class: 'soft', text: `${previewOf(content)}: not available` }));
  }
  if (caption !== undefined) frame.append(h('p', { class: 'media-caption', text: caption }));
}

function media(kind: Media['kind'], url: string, label: string): HTMLElement {
  switch (kind) {
    case 'image':
      return h('img', { src: url, alt: label, decoding: 'async' });
    case 'voice':
      return h('audio', { src: url, controls: true, preload: 'metadata', 'aria-label': label });
    case 'file':
      return h('a', { href: url, download: '', text: label });
  }
}
