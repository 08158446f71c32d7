import { describe, expect, test } from 'vitest';
import { channelPath, parseRoute, stationPath } from '../src/router.ts';
import { stationHue } from '../src/parts/station-colors.ts';
import { typingWords } from '../src/parts/talk/words.ts';

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
])('the channel %s is found at %s', (channel, path) => {
  expect(channelPath(channel)).toBe(path);
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
