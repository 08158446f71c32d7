import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

/** A TCP port of 127.0.0.1 that was free a moment ago. */
export function freeTcpPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        typeof address === 'object' && address !== null
          ? resolve(address.port)
          : reject(new Error('no port')),
      );
    });
  });
}

/** A UDP port of 127.0.0.1 that was free a moment ago. */
export function freeUdpPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    socket.on('error', reject);
    socket.bind(0, '127.0.0.1', () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}

/** A UDP port that takes packets and never answers, as behind a firewall that drops them. */
export interface BlackHole {
  readonly port: number;
  /** Packets swallowed so far: shows that somebody did try. */
  readonly swallowed: number;
  close(): Promise<void>;
}

/** Opens one at `host`, on `port` or any. */
export function openBlackHole(host: string, port = 0): Promise<BlackHole> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    let swallowed = 0;
    socket.on('message', () => swallowed++);
    socket.on('error', reject);
    socket.bind(port, host, () => {
      resolve({
        port: socket.address().port,
        get swallowed() {
          return swallowed;
        },
        close: () => new Promise((done) => socket.close(() => done())),
      });
    });
  });
}
