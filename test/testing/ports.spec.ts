import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { EmbeddedCluster } from 'nestjs-pg-mcp/testing';
import { expect, test, vi } from 'vitest';
import { freePort } from '../../lib/testing/free-port.js';

vi.mock('../../lib/testing/free-port.js', { spy: true });

test('a port can be listened on and is not one of those for outgoing connections', async () => {
  const port = await freePort();
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  server.close();
  if (process.platform !== 'linux') return;
  const lowest = Number.parseInt(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8'), 10);
  expect(port).toBeLessThan(lowest);
});

test('a port that somebody takes before the server has it is replaced', async () => {
  const intruder = createServer().listen(0, '127.0.0.1');
  await once(intruder, 'listening');
  const { port } = intruder.address() as AddressInfo;
  vi.mocked(freePort).mockResolvedValueOnce(port);
  await using cluster = await EmbeddedCluster.start({ replicas: 0 });
  expect(cluster.primary.port).not.toBe(port);
  expect(cluster.nodes).toHaveLength(1);
  await cluster.primary.query('SELECT 1');
  intruder.close();
});
