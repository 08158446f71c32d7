import { createServer, request, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A way to a server that lets plain HTTP through and nothing else, as some proxies do. */
export interface HttpOnly {
  /** Where the site is by this way. */
  readonly url: string;
  /** How many WebSockets were turned away. */
  readonly refused: () => number;
  /** Breaks all connections that are open, as a proxy that restarts. */
  readonly cut: () => void;
  close(): Promise<void>;
}

/** Opens it. The relay tells clients the host they asked for, so they come back this way. */
export async function openHttpOnly(target: string): Promise<HttpOnly> {
  const { hostname, port } = new URL(target);
  let refused = 0;
  const server: HttpServer = createServer((asked, answer) => {
    const { url, method, headers } = asked;
    const onward = request(
      { hostname, port, path: url, method, headers: { ...headers, connection: 'close' } },
      (got) => {
        answer.writeHead(got.statusCode ?? 502, got.headers);
        got.pipe(answer);
      },
    );
    onward.on('error', () => answer.destroy());
    answer.on('close', () => onward.destroy());
    asked.pipe(onward);
  });
  server.on('upgrade', (_, socket) => {
    refused++;
    socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${address.port}`,
    refused: () => refused,
    cut: () => {
      server.closeAllConnections();
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => {
          resolve();
        });
      }),
  };
}
