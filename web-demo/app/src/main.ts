/** Puts the page together: header, the current view, the player at the foot. */
import { conversationsView } from './views/conversations.ts';
import { h } from './dom.ts';
import { headerNav } from './parts/header-nav.ts';
import { homeView } from './views/home.ts';
import { logo } from './parts/logo.ts';
import { moderationView } from './views/moderation.ts';
import { notFoundView } from './views/not-found.ts';
import { notificationsView } from './views/notifications.ts';
import { parseRoute } from './router.ts';
import { Radio } from './radio.ts';
import { roomsView } from './views/rooms.ts';
import { roomView } from './views/room.ts';
import { searchView } from './views/search.ts';
import { SignInDialog } from './parts/sign-in-dialog.ts';
import { stationView } from './views/station.ts';
import { dismissToasts, toasts } from './parts/toasts.ts';
import { connectionNotice } from './parts/connection-notice.ts';
import type { View } from './views/view.ts';

const radio = new Radio();
const signIn = new SignInDialog(radio.account);
radio.account.attach(radio.session, signIn.ask);
const main = h('main', { id: 'main', tabindex: '-1' });
const corner = toasts(radio);
const announcer = h('p', { class: 'spoken', role: 'status' });
let view: View | undefined;

function show(path: string, first: boolean): void {
  view?.close();
  const route = parseRoute(path);
  switch (route.page) {
    case 'home':
      view = homeView(radio, announce);
      break;
    case 'station':
      view = stationView(radio, route.id, route.at, go);
      break;
    case 'conversations':
      view = conversationsView(radio, route.channel, route.at, go);
      break;
    case 'rooms':
      view = roomsView(radio, go);
      break;
    case 'room':
      view = roomView(radio, route.channel, route.at, go);
      break;
    case 'moderation':
      view = moderationView(radio, route.channel);
      break;
    case 'search':
      view = searchView(radio, route.channel);
      break;
    case 'notifications':
      view = notificationsView(radio);
      break;
    case 'not_found':
      view = notFoundView();
      break;
  }
  document.title = view.title;
  main.replaceChildren(view.element);
  dismissToasts(corner, location.pathname);
  if (first) return;
  // As a browser does on a real change of page: from the top, and told to screen readers.
  window.scrollTo(0, 0);
  main.focus({ preventScroll: true });
  announce(view.title);
}

function announce(text: string): void {
  announcer.textContent = text;
}

/** Links within the site change the view and leave the sound alone. */
function followLink(event: MouseEvent): void {
  const link = (event.target as Element | null)?.closest('a');
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey;
  if (!link || !plain || event.defaultPrevented || link.target !== '') return;
  if (link.origin !== location.origin || link.hash !== '' || link.pathname.includes('.')) return;
  event.preventDefault();
  go(link.pathname + link.search);
}

function address(): string {
  return location.pathname + location.search;
}

/** A notification on the device that was clicked leads somewhere. */
function followNotification({ data }: MessageEvent<unknown>): void {
  const path = (data as { go?: unknown } | null)?.go;
  if (typeof path === 'string' && /^\/(?!\/)/.test(path)) go(path);
}

/** Goes to another page of the site. */
function go(path: string): void {
  if (path === address()) return;
  history.pushState(null, '', path);
  show(address(), false);
}

document.addEventListener('click', followLink);
// It is not there on a connection that is not secure.
const { serviceWorker } = navigator as { serviceWorker?: ServiceWorkerContainer };
serviceWorker?.addEventListener('message', followNotification);
serviceWorker?.startMessages();
window.addEventListener('popstate', () => {
  show(address(), false);
});

document
  .querySelector('#app')
  ?.replaceChildren(
    h(
      'header',
      { class: 'top' },
      h(
        'a',
        { class: 'brand', href: '/', 'aria-label': 'Skywave, home' },
        logo(),
        h('span', { class: 'brand-name', text: 'Skywave' }),
      ),
      connectionNotice(radio.session),
      headerNav(radio),
    ),
    main,
    h('footer', { class: 'foot' }, h('p', { text: 'Skywave plays as it happens.' })),
    radio.foot,
    corner,
    signIn.element,
    announcer,
  );
show(address(), true);
