import { existsSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { delimiter, join } from 'node:path';

/** Where systems keep servers; an ordinary user's PATH may lack it. */
const ALSO = ['/usr/sbin', '/usr/local/sbin'];

/** @throws Error that says that it is not installed. */
export function findProgram(name: string): string {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...ALSO];
  const path = folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
  if (path === undefined) throw new Error(`${name} is not installed`);
  return path;
}

/** A port of 127.0.0.1 on which nobody listens. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
