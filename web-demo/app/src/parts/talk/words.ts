/** Times and people in words. Pure. */
import type { Author } from '@skywave/client';

/** `14:05`. */
export function clockTime(at: number): string {
  return new Date(at).toLocaleTimeString('en', {
    hour: '2-digit',
    minute: '2-digit',
    hour12: false,
  });
}

/** `Today`, `Yesterday`, or the date. */
export function dayName(at: number, now: number): string {
  const day = new Date(at).toDateString();
  if (day === new Date(now).toDateString()) return 'Today';
  if (day === new Date(now - 86_400_000).toDateString()) return 'Yesterday';
  return new Date(at).toLocaleDateString('en', { weekday: 'long', day: 'numeric', month: 'long' });
}

/** The time today, else the date: for lists. */
export function shortTime(at: number, now: number): string {
  const sameDay = new Date(at).toDateString() === new Date(now).toDateString();
  if (sameDay) return clockTime(at);
  return new Date(at).toLocaleDateString('en', { day: 'numeric', month: 'short' });
}

/** Date and time in full. */
export function longTime(at: number): string {
  const day = new Date(at).toLocaleDateString('en', { day: 'numeric', month: 'long' });
  return `${day}, ${clockTime(at)}`;
}

/** `3 replies`. */
export function repliesWords(count: number): string {
  return `${count.toLocaleString('en')} ${count === 1 ? 'reply' : 'replies'}`;
}

/** What holds for those who write in a room; empty where nothing does. */
export function ruleWords(slowModeS: number, followersOnly: boolean): string {
  const rules = [
    ...(followersOnly ? ['Only followers of the station write here.'] : []),
    ...(slowModeS > 0 ? [`Slow mode: one message every ${seconds(slowModeS)}.`] : []),
  ];
  return rules.join(' ');
}

/** `30 s`, `5 min`. */
function seconds(count: number): string {
  return count >= 120 && count % 60 === 0 ? `${count / 60} min` : `${count} s`;
}

/** `0:07`, `3:20`. */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

/** `Ann is writing…` */
export function typingWords(users: readonly Author[]): string {
  const names = users.map(({ sub, name }) => name ?? sub);
  const [first, second] = names;
  if (first === undefined) return '';
  if (second === undefined) return `${first} is writing…`;
  if (names.length === 2) return `${first} and ${second} are writing…`;
  return `${first} and ${names.length - 1} others are writing…`;
}
