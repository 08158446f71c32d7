import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

/** How a child is started. */
export interface Spawn {
  command: string;
  args: readonly string[];
  env?: Record<string, string>;
  /** Keep the child's output out of failure messages, as it may hold secrets. Default false. */
  quiet?: boolean;
}

const running = new Set<Child>();

// The binary takes every `SKYWAVE_` variable for a setting and refuses those it does not know,
// as it should: what steers these tests is not passed on.
function inherited(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('SKYWAVE_'));
  return Object.fromEntries(kept);
}

/** A process of ours: its output is kept, and it never outlives the test run. */
export class Child {
  readonly name: string;
  #process: ChildProcess;
  #output = '';
  #exited: Promise<number>;
  #code: number | undefined;

  private constructor(options: Spawn) {
    this.name = options.command.split('/').at(-1) ?? options.command;
    this.#process = spawn(options.command, options.args, {
      env: { ...inherited(), ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const keep = (chunk: Buffer): void => {
      // The tail is what explains a failure; a long run must not fill the memory.
      this.#output = (this.#output + chunk.toString()).slice(-64_000);
    };
    this.#process.stdout?.on('data', keep);
    this.#process.stderr?.on('data', keep);
    running.add(this);
    this.#exited = new Promise((resolve) => {
      const end = (code: number): void => {
        running.delete(this);
        this.#code = code;
        resolve(code);
      };
      this.#process.on('exit', (code, signal) => end(code ?? (signal === null ? -1 : 128)));
      this.#process.on('error', (error) => {
        this.#output += String(error);
        end(-1);
      });
    });
  }

  static start(options: Spawn): Child {
    return new Child(options);
  }

  /** Runs a command to its end and gives its output; a non-zero exit is an error. */
  static async run(options: Spawn, timeoutMs = 30_000): Promise<string> {
    const child = new Child(options);
    const code = await child.exit(timeoutMs);
    if (code !== 0) {
      const said = options.quiet === true ? '' : `:\n${child.output}`;
      throw new Error(`${child.name} ended with ${code}${said}`);
    }
    return child.output;
  }

  /** What it printed so far: the last 64,000 characters of both streams. */
  get output(): string {
    return this.#output;
  }

  /** The exit code, or undefined while it runs. */
  get code(): number | undefined {
    return this.#code;
  }

  /** Waits until it ends, and gives the exit code. */
  async exit(timeoutMs: number): Promise<number> {
    const code = await Promise.race([this.#exited, sleep(timeoutMs, undefined, { ref: false })]);
    if (code === undefined) {
      await this.stop('SIGKILL');
      throw new Error(`${this.name} still ran after ${timeoutMs} ms:\n${this.#output}`);
    }
    return code;
  }

  /** Waits until its output matches. */
  async says(pattern: RegExp, timeoutMs: number): Promise<RegExpExecArray> {
    return until(`${this.name} says ${pattern}`, timeoutMs, () => {
      const match = pattern.exec(this.#output);
      if (match === null && this.#code !== undefined) {
        throw new Error(`${this.name} ended with ${this.#code}:\n${this.#output}`);
      }
      return match ?? undefined;
    });
  }

  /** Signals it and waits for its end; after 5 s it is killed. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.#code !== undefined) return;
    this.#process.kill(signal);
    const ended = await Promise.race([this.#exited, sleep(5_000, undefined, { ref: false })]);
    if (ended === undefined) {
      this.#process.kill('SIGKILL');
      await this.#exited;
    }
  }

  /** @internal Last resort when the test process itself goes. */
  killNow(): void {
    this.#process.kill('SIGKILL');
  }
}

process.on('exit', () => {
  for (const child of running) child.killNow();
});

/** Asks again every 100 ms until there is an answer; fails after the timeout, saying what it waited for. */
export async function until<T>(
  what: string,
  timeoutMs: number,
  ask: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (Date.now() > end) throw new Error(`waited ${timeoutMs} ms in vain: ${what}`);
    await sleep(100);
  }
}

/** What has to be undone, newest first. */
export class Cleanup {
  #steps: (() => Promise<void>)[] = [];

  add(step: () => Promise<void>): void {
    this.#steps.push(step);
  }

  /** Runs every step even when one fails; the first failure is thrown at the end. */
  async run(): Promise<void> {
    const failures: unknown[] = [];
    for (const step of this.#steps.splice(0).reverse()) {
      await step().catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
  }
}
