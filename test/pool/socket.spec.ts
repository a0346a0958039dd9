import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSocket } from '../../lib/pool/socket.js';
import { until } from '../support/until.js';

const soon = (what: string) => ({ deadlineMs: 5_000, what });

let server: Server;
let theirs: Socket;
let ours: Socket;

beforeEach(async () => {
  server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  ours = createSocket();
  const accepted = once(server, 'connection');
  ours.connect((server.address() as AddressInfo).port, '127.0.0.1');
  [theirs] = (await accepted) as [Socket];
  theirs.on('error', () => {});
});

afterEach(async () => {
  ours.destroy();
  theirs.destroy();
  server.close();
  await once(server, 'close');
});

/** Bytes that tell where they stood. */
const numbered = (bytes: number) => Buffer.from(Uint32Array.from({ length: bytes / 4 }, (_, i) => i).buffer);

describe('a socket', () => {
  it.each([4, 16_380, 16_384, 65_536, 5_000_000])(
    'hands on %i bytes as they came, each chunk for good',
    async (size) => {
      const sent = numbered(size);
      const chunks: Buffer[] = [];
      ours.on('data', (chunk: Buffer) => chunks.push(chunk));
      theirs.write(sent);
      await until(() => Buffer.concat(chunks).length >= size, soon('all of it'));
      theirs.write(Buffer.alloc(65_536, 'x'));
      await until(() => Buffer.concat(chunks).length >= size + 65_536, soon('what comes next'));
      expect(Buffer.concat(chunks).subarray(0, size).equals(sent)).toBe(true);
    },
  );

  it('reads no more than a little while it is paused, and loses nothing', async () => {
    const sent = numbered(40_000_000);
    const chunks: Buffer[] = [];
    ours.on('data', (chunk: Buffer) => chunks.push(chunk));
    ours.pause();
    theirs.write(sent);
    for (let i = 0; i < 50; i++) await nextTurn();
    expect(chunks).toEqual([]);
    expect(ours.bytesRead).toBeLessThan(1_000_000);
    ours.resume();
    await until(() => ours.bytesRead === sent.length, soon('the rest'));
    expect(Buffer.concat(chunks).equals(sent)).toBe(true);
  });

  it('can be paused by who gets a chunk', async () => {
    let received = 0;
    ours.on('data', (chunk: Buffer) => {
      received += chunk.length;
      ours.pause();
      setImmediate(() => ours.resume());
    });
    theirs.write(numbered(2_000_000));
    await until(() => received === 2_000_000, soon('all of it'));
  });

  it('can be read by iterating', async () => {
    const sent = numbered(1_000_000);
    theirs.end(sent);
    const chunks: Buffer[] = [];
    for await (const chunk of ours) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).equals(sent)).toBe(true);
  });

  it('tells of its end', async () => {
    const ended = once(ours, 'end');
    ours.resume();
    theirs.end();
    await ended;
    await until(() => ours.destroyed, soon('the close'));
  });
});
