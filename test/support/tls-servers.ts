import { chown, copyFile, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EmbeddedCluster, EmbeddedNode } from 'nestjs-pg-mcp/testing';
import type { Certificate } from './certificate.js';
import { sure } from './sure.js';

/** Has every node speak TLS, and let clients in by these rules first (manual, section 20.1). */
export async function speakTls(servers: EmbeddedCluster, clientAuthority: string, rules: readonly string[]) {
  for (const node of servers.nodes) {
    const folder = await dataFolder(node);
    const hba = join(folder, 'pg_hba.conf');
    await writeFile(hba, `${rules.join('\n')}\n${await readFile(hba, 'utf8')}`);
    await put(clientAuthority, folder, 'clients.crt');
    await node.query("ALTER SYSTEM SET ssl_ca_file = 'clients.crt'");
  }
}

/** The certificate that every node shows from now on. */
export async function showCertificate(servers: EmbeddedCluster, { certFile, keyFile }: Certificate) {
  for (const node of servers.nodes) {
    const folder = await dataFolder(node);
    await put(certFile, folder, 'server.crt');
    await put(keyFile, folder, 'server.key');
    await node.query("ALTER SYSTEM SET ssl = 'on'");
    await node.query('SELECT pg_reload_conf()');
  }
}

async function dataFolder(node: EmbeddedNode): Promise<string> {
  const { rows } = await node.query<{ folder: string }>("SELECT current_setting('data_directory') AS folder");
  return sure(rows[0]).folder;
}

/** As the server's own, since it takes no key that others may read. */
async function put(file: string, folder: string, name: string): Promise<void> {
  const { uid, gid } = await stat(folder);
  const path = join(folder, name);
  await copyFile(file, path);
  await chown(path, uid, gid);
}
