/** The tables of docs/receiver-browser.md. */
import { STAGES, type Measured, type Way } from './mouth-to-ear.ts';
import type { Run } from './measured.ts';
import { SCENARIO_S, type Scenario } from './scenarios.ts';

/** A scenario with what it cost, in shares of a quantum in percent. */
export interface Cost {
  readonly scenario: Scenario;
  readonly process: Float32Array;
  readonly datagram: Float32Array;
  readonly run: Run;
}

/** The cost of one scenario by runs that were alike: of every call the least it took, for what
 * else the machine did meanwhile is none of ours. */
export function costOf(scenario: Scenario, runs: readonly Run[]): Cost {
  const [run] = runs;
  if (!run) throw new Error('no run to tell of');
  const quantumMs = 128_000 / scenario.rate;
  const least = (of: (run: Run) => Float32Array): Float32Array =>
    of(run).map((_, i) => {
      const times = runs.map((each) => of(each)[i] ?? Infinity);
      return (100 * Math.min(...times)) / quantumMs;
    });
  return {
    scenario,
    run,
    process: least(({ process }) => process),
    datagram: least(({ datagram }) => datagram),
  };
}

/** The value that this share of all stays at or below. */
function percentile(values: Iterable<number>, share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

/** Rows of costs. */
export function costTable(costs: readonly Cost[]): string {
  const percent = (value: number): string => `${value.toFixed(1)} %`;
  const head = [
    '',
    'p50',
    'p99',
    'p99.9',
    'max',
    'a datagram, max',
    'repaired',
    'concealed',
    'stretched',
  ];
  const rows = costs.map(({ scenario, process, datagram, run: { stats, stretchedMs } }) => {
    const at = [0.5, 0.99, 0.999, 1].map((share) => percent(percentile(process, share)));
    const repaired = stats.recovered + stats.retransmitted;
    const ms = (value: number): string => `${Math.round(value)} ms`;
    return row([
      scenario.name,
      ...at,
      percent(percentile(datagram, 1)),
      String(repaired),
      ms(stats.concealedMs),
      ms(stretchedMs),
    ]);
  });
  return [row(head), row(head.map((_, i) => (i === 0 ? '---' : '--:'))), ...rows].join('\n');
}

/** Rows of stages. */
export function stageTable({ chirps, outputMs }: Measured): string {
  const ms = (value: number): string => `${value.toFixed(1)} ms`;
  const line = (name: string, values: readonly number[]): string =>
    row([name, ...[0.5, 0.95, 1].map((share) => ms(percentile(values, share)))]);
  const stages = STAGES.map((name, stage) =>
    line(
      name,
      chirps.map((chirp) => chirp[stage] ?? NaN),
    ),
  );
  const left = chirps.map((chirp) => chirp.reduce((sum, stage) => sum + stage, 0));
  const heard = left.map((value) => value + outputMs);
  return [
    row(['stage', 'p50', 'p95', 'max']),
    row(['---', '--:', '--:', '--:']),
    ...stages,
    line('**to where the worklet gives the sample away**', left),
    line('output, as the browser tells', [outputMs]),
    line('**mouth to ear**', heard),
  ].join('\n');
}

/** The whole document. */
export function document(
  node: readonly Cost[],
  offline: readonly Cost[],
  ways: readonly (readonly [Way, Measured])[],
  machine: string,
): string {
  const worst = (costs: readonly Cost[], share: number): string =>
    Math.max(...costs.map(({ process }) => percentile(process, share))).toFixed(1);
  const parts = ways.map(
    ([{ name }, measured]) =>
      `### ${name}\n\n${measured.chirps.length} chirps.\n\n${stageTable(measured)}`,
  );
  return `# The receiver in the browser

Made by \`make bench-browser\`; do not edit. Measured on ${machine}.

## What a quantum costs

The worklet is asked for 128 frames at a time, every 2.67 ms at 48 kHz; whatever it takes of
that, others on the audio thread do not have. The aim is less than 20 % in the worst case, 0.53 ms.
Here the worst quantum took ${worst(node, 1)} % under Node. In Chromium 99.9 % of them stayed within
${worst(offline, 0.999)} %, and the worst took ${worst(offline, 1)} %.

Measured is the script and the WebAssembly that the site serves, with music by libopus, ${SCENARIO_S} s
of each network in the virtual time of the audio clock. Everything is in percent of a quantum.
*process()* is what a quantum of sound takes, everything in it: decoding, concealment, stretching,
requests. *A datagram* is the longest that the arrival of one took, between two quanta on the same
thread. Networks and seeds are the same in each run, so each call can be held against itself: what
counts is the least it took in several runs, as the rest was the machine. The first seconds, in which
the engine compiles, are in it.

### Chromium

In an \`OfflineAudioContext\`, which renders as fast as it can.

${costTable(offline)}

A worklet has no clock but the date, in whole milliseconds. The page is isolated here, so that a
thread beside it can write \`performance.now()\` into shared memory all the time; it takes one of
the processors. Where that thread is held up, a call seems longer than it was: on a machine with
other work the longest tell of that work.

### Node

The same script under Node, by \`performance.now()\`.

${costTable(node)}

## Mouth to ear

A source that is handed samples as a sound card has them plays chirps of which no two neighbours
are as far apart, so that each that leaves the worklet tells which it is and when it was recorded.
Source, relay, browser and their clocks are on one machine. The time of each stage is measured by
itself: when the packet left the source (its own send time), when it came to the session's worker and
to the worklet, and when the worklet gave the sample away. There is no ring between receiver and
output: the audio clock pulls the receiver itself, and a packet is decoded in the quantum that needs
it, at the cost above.

${parts.join('\n\n')}
`;
}
