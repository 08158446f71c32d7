/** Notifications in words: on the page and, by the service worker, on the device. Pure. */
import { channelPath, stationPath } from './router.ts';
import type { NotificationEvent } from '@skywave/client';

/** A notification in words, and where it leads. */
export interface Told {
  /** What happened. */
  readonly title: string;
  /** What was said. */
  readonly text: string;
  /** Where to see it. */
  readonly href?: string;
}

/** Puts a notification into words. */
export function tell(event: NotificationEvent): Told {
  switch (event.kind) {
    case 'mention':
    case 'message': {
      const name = event.from.name ?? event.from.sub;
      const title = event.kind === 'mention' ? `${name} mentioned you` : `Message from ${name}`;
      return { title, text: event.preview, href: channelPath(event.channel, event.message) };
    }
    case 'invitation': {
      const name = event.from.name ?? event.from.sub;
      return { title: `${name} invited you`, text: event.name, href: channelPath(event.channel) };
    }
    case 'station_live':
      return { title: `${event.name} is on air`, text: '', href: stationPath(event.station) };
    case 'announcement':
      return { title: 'Announcement', text: event.text };
    case 'other':
      return { title: 'Something new', text: '' };
  }
}
