import { describe, expect, test } from 'vitest';
import { channelPath, moderationPath, parseRoute, searchPath, stationPath } from '../src/router.ts';
import { errorWords } from '../src/error-words.ts';
import { SkywaveError } from '@skywave/client';
import { splitByWords } from '../src/parts/split-words.ts';
import { stationHue } from '../src/parts/station-colors.ts';
import { repliesWords, ruleWords, typingWords } from '../src/parts/talk/words.ts';

describe('routes', () => {
  test.each([
    ['/', { page: 'home' }],
    ['', { page: 'home' }],
    ['/station/demo', { page: 'station', id: 'demo' }],
    ['/station/a.b_c-1/', { page: 'station', id: 'a.b_c-1' }],
    ['/station/', { page: 'not_found', path: '/station/' }],
    ['/station/Demo', { page: 'not_found', path: '/station/Demo' }],
    ['/station/%3Cb%3E', { page: 'not_found', path: '/station/%3Cb%3E' }],
    ['/station/demo/more', { page: 'not_found', path: '/station/demo/more' }],
    ['/conversations', { page: 'conversations' }],
    ['/conversations/k3_x-', { page: 'conversations', channel: 'conversation:k3_x-' }],
    ['/conversations/a:b', { page: 'not_found', path: '/conversations/a:b' }],
    ['/notifications', { page: 'notifications' }],
    ['/rooms', { page: 'rooms' }],
    ['/rooms/k3_x-', { page: 'room', channel: 'room:k3_x-' }],
    ['/rooms/k3?message=42', { page: 'room', channel: 'room:k3', at: 42 }],
    ['/station/demo?message=7', { page: 'station', id: 'demo', at: 7 }],
    ['/rooms/k3?message=-1', { page: 'room', channel: 'room:k3' }],
    ['/rooms/k3?message=x', { page: 'room', channel: 'room:k3' }],
    ['/rooms/@demo', { page: 'not_found', path: '/rooms/@demo' }],
    ['/search', { page: 'search' }],
    ['/search?channel=nonsense', { page: 'search' }],
    ['/moderation', { page: 'moderation' }],
    ['/elsewhere', { page: 'not_found', path: '/elsewhere' }],
  ])('%s', (path, route) => {
    expect(parseRoute(path)).toEqual(route);
  });

  test('a station leads to its page', () => {
    expect(parseRoute(stationPath('x.1'))).toEqual({ page: 'station', id: 'x.1' });
  });
});

test.each([
  ['room:@demo', '/station/demo'],
  ['conversation:k3', '/conversations/k3'],
  ['room:k3', '/rooms/k3'],
])('the channel %s is found at %s', (channel, path) => {
  expect(channelPath(channel)).toBe(path);
});

test('a message and a channel survive the way through an address', () => {
  expect(parseRoute(channelPath('room:k3', 42))).toMatchObject({ channel: 'room:k3', at: 42 });
  for (const channel of ['room:@demo', 'room:k3', 'conversation:k3']) {
    expect(parseRoute(moderationPath(channel))).toEqual({ page: 'moderation', channel });
    expect(parseRoute(searchPath(channel))).toEqual({ page: 'search', channel });
  }
});

test('who writes is told in few words', () => {
  const users = ['Ann', 'Bob', 'Eve'].map((name) => ({ sub: name.toLowerCase(), name }));
  const words = [0, 1, 2, 3].map((count) => typingWords(users.slice(0, count)));
  expect(words).toEqual([
    '',
    'Ann is writing…',
    'Ann and Bob are writing…',
    'Ann and 2 others are writing…',
  ]);
});

test('a station keeps its hue, and stations differ', () => {
  expect(stationHue('demo')).toBe(stationHue('demo'));
  const hues = new Set(Array.from({ length: 40 }, (_, index) => stationHue(`station-${index}`)));
  expect(hues.size).toBeGreaterThan(5);
});

describe('words that were looked for', () => {
  test.each([
    ['A Zebra crossed', 'zebra', ['A ', '[Zebra]', ' crossed']],
    ['Café, cafes', 'CAFE', ['[Café]', ', cafes']],
    ['<b>bold</b>', 'bold', ['<b>', '[bold]', '</b>']],
    ['nothing', '', ['nothing']],
    ['a+b a', 'a b', ['[a]', '+', '[b]', ' ', '[a]']],
  ])('%s, %s', (text, query, parts) => {
    const split = splitByWords(text, query);
    expect(split.map(({ part, hit }) => (hit ? `[${part}]` : part))).toEqual(parts);
    expect(split.map(({ part }) => part).join('')).toBe(text);
  });
});

test('the rules of a room are told in words', () => {
  expect(ruleWords(0, false)).toBe('');
  expect(ruleWords(30, false)).toBe('Slow mode: one message every 30 s.');
  expect(ruleWords(600, true)).toBe(
    'Only followers of the station write here. Slow mode: one message every 10 min.',
  );
  expect([repliesWords(1), repliesWords(2)]).toEqual(['1 reply', '2 replies']);
});

describe('what went wrong', () => {
  test.each([
    [
      { code: 'rate_limited', message: 'too many requests: manage', retryAfterMs: 1_900 },
      'That was a lot at once. Try again in 2 seconds.',
    ],
    [
      { code: 'rate_limited', message: 'too many requests: read' },
      'That was a lot at once. Try again in a moment.',
    ],
    [
      { code: 'slow_mode', message: 'x', retryAfterMs: 150_000 },
      'Slow mode: you can write again in 3 minutes.',
    ],
    [{ code: 'muted', message: 'you may not write here' }, 'You may read here, but not write.'],
    [{ code: 'bad_request', message: 'name: 1 to 64 characters' }, 'Name: 1 to 64 characters.'],
    [
      { code: 'limit_reached', message: 'one user owns at most 50 rooms' },
      'One user owns at most 50 rooms.',
    ],
    [{ code: 'new_code', message: ' ' }, 'That did not work.'],
  ])('%o', (error, words) => {
    expect(errorWords({ temporary: false, ...error })).toBe(words);
    if (error.message !== ' ') {
      expect(errorWords(new SkywaveError({ temporary: false, ...error }))).toBe(words);
    }
  });

  test('what the page itself throws is said as it is', () => {
    expect(errorWords(new Error('That message is not here any more.'))).toBe(
      'That message is not here any more.',
    );
    expect(errorWords(undefined)).toBe('That did not work.');
  });
});
