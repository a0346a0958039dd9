import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { failure } from './failure.js';

const LOWEST = 10_240;
const ATTEMPTS = 50;

/**
 * A port on 127.0.0.1 that nobody listens on, from below the range that the system takes the local ports
 * of outgoing connections from. A port of that range won't do for a server that is killed and started
 * again: meanwhile another connection may get it, and a client that keeps calling it can even reach itself
 * (TCP's simultaneous open).
 */
export async function freePort(): Promise<number> {
  const end = outgoingPortsStart();
  for (let attempt = 0; attempt < ATTEMPTS && end > LOWEST; attempt += 1) {
    const port = await claim(LOWEST + Math.floor(Math.random() * (end - LOWEST)));
    if (port !== undefined) return port;
  }
  const port = await claim(0);
  if (port === undefined) throw failure('no port on 127.0.0.1 is free');
  return port;
}

function outgoingPortsStart(): number {
  try {
    return Number.parseInt(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8'), 10);
  } catch {
    // The range that IANA sets aside for them, and that macOS uses.
    return 49_152;
  }
}

async function claim(port: number): Promise<number | undefined> {
  const server = createServer();
  try {
    server.listen({ host: '127.0.0.1', port, exclusive: true });
    await once(server, 'listening');
    const address = server.address();
    server.close();
    await once(server, 'close');
    return typeof address === 'object' && address ? address.port : undefined;
  } catch {
    return undefined;
  }
}
