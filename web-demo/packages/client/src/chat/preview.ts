/** Messages in a few words. Pure. */
import type { Content } from '../wire/chat.ts';

/** What a message says in one line, for lists and quotes. */
export function previewOf(content: Content | undefined): string {
  switch (content?.type) {
    case undefined:
      return 'Message deleted';
    case 'text':
    case 'system':
      return content.text.replace(/\s+/g, ' ').slice(0, 200);
    case 'location':
      return content.label ?? 'Location';
    case 'media':
      return content.caption ?? MEDIA[content.kind];
  }
}

const MEDIA = { image: 'Picture', voice: 'Voice message', file: 'File' } as const;

/** The channel of a station's room. */
export function stationRoom(station: string): string {
  return `room:@${station}`;
}
