import { describe, expect, test } from 'vitest';
import { AutoChoice } from '../src/auto-choice.ts';
import { parseTrack } from '../src/wire.ts';
import { track } from './relay.ts';
import type { ReceiverStats } from '../src/messages.ts';

const NOTHING: ReceiverStats = {
  packets: 0,
  lost: 0,
  late: 0,
  duplicates: 0,
  recovered: 0,
  retransmitted: 0,
  rejected: 0,
  concealedMs: 0,
  skippedMs: 0,
  underruns: 0,
  restarts: 0,
  bufferMs: 0,
  targetMs: 0,
};

/**
 * What is chosen within ten seconds in which so many of 100 packets are brought by repair, and
 * so much is made up in the first two seconds.
 */
function chosen(missing: number, concealedMs: number): string {
  const choice = new AutoChoice();
  const source = parseTrack({ ...track(1), bitrate: 256_000 });
  if (source) choice.flows(['source', 'high', 'low'], source);
  for (let second = 0; second <= 10; second++) {
    const stats = {
      ...NOTHING,
      packets: second * (100 - missing),
      retransmitted: second * missing,
      concealedMs: Math.min(second, 2) * concealedMs,
    };
    const status = { type: 'status', state: 'playing', contextTime: second, stats } as const;
    if (choice.handle(status)) break;
  }
  return choice.rendition;
}

describe('the automatic choice', () => {
  test('counts packets that repair brings once', () => {
    expect(chosen(0, 0)).toBe('source');
    expect(chosen(11, 0), 'that is bearable').toBe('source');
    expect(chosen(14, 0)).toBe('high');
  });

  test('does not judge the beginning', () => {
    expect(chosen(0, 300)).toBe('source');
  });
});
