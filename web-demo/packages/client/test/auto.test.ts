import { describe, expect, test } from 'vitest';
import { Auto, type Rung } from '../src/auto.ts';
import { vectors } from './vectors.ts';

interface Step {
  readonly at_ms: number;
  readonly received: number;
  readonly missing: number;
  readonly concealed_ms: number;
  readonly played_ms: number;
  readonly chosen: string | null;
}

interface Case {
  readonly name: string;
  readonly rungs: readonly Rung[];
  readonly steps: readonly Step[];
}

describe('auto decides as the native client does', () => {
  const { cases } = vectors<{ cases: readonly Case[] }>('auto');
  test.each(cases.map((vector) => [vector.name, vector] as const))('%s', (_, vector) => {
    const auto = new Auto(vector.rungs);
    for (const step of vector.steps) {
      const chosen = auto.handle(step.at_ms, {
        received: step.received,
        missing: step.missing,
        concealedMs: step.concealed_ms,
        playedMs: step.played_ms,
      });
      expect(chosen?.name ?? null, `at ${step.at_ms} ms`).toBe(step.chosen);
    }
  });

  test('a refusal keeps what is taken, and nothing to choose decides nothing', () => {
    const bad = { received: 1, missing: 99, concealedMs: 0, playedMs: 1000 };
    const auto = new Auto([
      { name: 'source', bitrate: 128_000 },
      { name: 'low', bitrate: 24_000 },
    ]);
    expect(auto.handle(0, bad)?.name).toBe('low');
    auto.refused('source', 0);
    expect(auto.current?.name).toBe('source');
    expect(auto.handle(1_000, bad)).toBeUndefined();
    expect(auto.handle(3_000, bad)?.name).toBe('low');
    expect(new Auto([]).handle(0, bad)).toBeUndefined();
  });
});
