import { describe, expect, test } from 'vitest';
import { parseRoute, stationPath } from '../src/router.ts';
import { stationHue } from '../src/parts/station-colors.ts';

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
    ['/elsewhere', { page: 'not_found', path: '/elsewhere' }],
  ])('%s', (path, route) => {
    expect(parseRoute(path)).toEqual(route);
  });

  test('a station leads to its page', () => {
    expect(parseRoute(stationPath('x.1'))).toEqual({ page: 'station', id: 'x.1' });
  });
});

test('a station keeps its hue, and stations differ', () => {
  expect(stationHue('demo')).toBe(stationHue('demo'));
  const hues = new Set(Array.from({ length: 40 }, (_, index) => stationHue(`station-${index}`)));
  expect(hues.size).toBeGreaterThan(5);
});
