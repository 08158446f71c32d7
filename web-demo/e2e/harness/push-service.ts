/** A push service and a device of its: what the relay sends is decrypted as a browser does. */
import { createDecipheriv, createECDH, hkdfSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a page needs to know of a device to subscribe it. */
export interface Device {
  readonly endpoint: string;
  readonly keys: { readonly p256dh: string; readonly auth: string };
}

/** See the file's head. */
export interface PushService {
  readonly device: Device;
  /** What the device was told, decrypted, in order. */
  readonly told: readonly string[];
  close(): void;
}

/** Starts one on loopback. */
export async function openPushService(): Promise<PushService> {
  const ecdh = createECDH('prime256v1');
  const point = ecdh.generateKeys();
  const auth = randomBytes(16);
  const told: string[] = [];

  /** RFC 8291 over the one record of RFC 8188. */
  const decrypt = (body: Buffer): string => {
    const salt = body.subarray(0, 16);
    const senderEnd = 21 + (body[20] ?? 0);
    const sender = body.subarray(21, senderEnd);
    const derive = (key: Buffer, salted: Buffer, info: Buffer, bytes: number): Buffer =>
      Buffer.from(hkdfSync('sha256', key, salted, info, bytes));
    const about = Buffer.concat([Buffer.from('WebPush: info\0'), point, sender]);
    const common = derive(ecdh.computeSecret(sender), auth, about, 32);
    const key = derive(common, salt, Buffer.from('Content-Encoding: aes128gcm\0'), 16);
    const nonce = derive(common, salt, Buffer.from('Content-Encoding: nonce\0'), 12);
    const opening = createDecipheriv('aes-128-gcm', key, nonce);
    opening.setAuthTag(body.subarray(-16));
    const text = Buffer.concat([opening.update(body.subarray(senderEnd, -16)), opening.final()]);
    // Zeros may follow the delimiter of the last record.
    return text.subarray(0, text.lastIndexOf(2)).toString();
  };

  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      try {
        told.push(decrypt(Buffer.concat(pieces)));
        response.writeHead(201).end();
      } catch (error) {
        told.push(`not decrypted: ${String(error)}`);
        response.writeHead(400).end();
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    device: {
      endpoint: `http://127.0.0.1:${port}/device`,
      keys: { p256dh: point.toString('base64url'), auth: auth.toString('base64url') },
    },
    told,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
