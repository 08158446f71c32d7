import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child, until } from './process.ts';
import { locate } from './locate.ts';

/** A sound server of our own whose one speaker swallows everything at real-time pace. */
export interface SoundServer {
  /** Environment that sends a program's sound there. */
  readonly env: Record<string, string>;
  close(): Promise<void>;
}

/**
 * Starts PulseAudio with a null sink in a folder of its own, beside any that the user runs.
 * Firefox and WebKitGTK need it: without a device their audio clock stands still.
 */
export async function startSound(): Promise<SoundServer> {
  const dir = await mkdtemp(join(tmpdir(), 'skywave-pulse-'));
  const socket = join(dir, 'native');
  const home = {
    HOME: dir,
    XDG_RUNTIME_DIR: dir,
    XDG_CONFIG_HOME: dir,
    PULSE_RUNTIME_PATH: dir,
    PULSE_STATE_PATH: dir,
  };
  const server = Child.start({
    command: locate('PULSEAUDIO_BIN', ['/usr/bin/pulseaudio']),
    args: [
      '-n',
      '--daemonize=no',
      '--use-pid-file=no',
      '--exit-idle-time=-1',
      '--disallow-exit',
      '--high-priority=no',
      '--realtime=no',
      '-L',
      'module-null-sink sink_name=void rate=48000',
      '-L',
      `module-native-protocol-unix socket=${socket} auth-anonymous=1`,
    ],
    env: home,
  });
  const env = { PULSE_SERVER: `unix:${socket}`, PULSE_RUNTIME_PATH: dir };
  await until('the sound server answers', 20_000, async () => {
    if (server.code !== undefined)
      throw new Error(`pulseaudio ended with ${server.code}:\n${server.output}`);
    return Child.run({ command: 'pactl', args: ['info'], env: { ...home, ...env } }).then(
      () => true,
      () => false,
    );
  });
  return {
    env,
    async close() {
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
