import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { chown, mkdir } from 'node:fs/promises';
import { get } from 'node:https';
import { join } from 'node:path';
import { clusterConfig, type EmbeddedClusterConfig } from '../../lib/testing/cluster-config.js';
import { defaultDataParent } from '../../lib/testing/data-parent.js';
import { SUPERUSER, writeOwned } from '../../lib/testing/data-folder.js';
import { APP_DATABASE, createRoles, newRoles, randomPassword } from '../../lib/testing/database-roles.js';
import { freePort } from '../../lib/testing/free-port.js';
import { GuardedFolder } from '../../lib/testing/guarded-folder.js';
import { spawnOptions } from '../../lib/testing/run-as.js';
import { inDatabase, withClient } from '../../lib/testing/superuser.js';
import { systemAccount, type SystemAccount } from '../../lib/testing/system-account.js';
import { systemBinFolders } from '../../lib/testing/system-binaries.js';
import { makeCertificate } from './certificate.js';
import { patroniConfig, type PatroniShared } from './patroni-config.js';
import { PatroniNode } from './patroni-node.js';
import { sure } from './sure.js';
import { until } from './until.js';

const NAMES = ['node1', 'node2', 'node3'];
const START_DEADLINE_MS = 60_000;
/** What Patroni calls; the npm package has only the first two. */
const PROGRAMS = ['postgres', 'pg_ctl', 'pg_controldata', 'pg_basebackup', 'pg_rewind', 'pg_isready'];

/** Why three Patroni nodes can't run here; undefined where they can. */
export function whyNoPatroni(): string | undefined {
  for (const program of ['/usr/bin/patroni', '/usr/bin/etcd', '/usr/bin/python3'])
    if (!existsSync(program)) return `${program} is missing (packages patroni, etcd-server, python3-etcd)`;
  try {
    execFileSync('/usr/bin/python3', ['-c', 'import patroni, etcd, psycopg2'], { stdio: 'ignore' });
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
  } catch {
    return 'patroni, python3-etcd, python3-psycopg2 and openssl are needed';
  }
  return fullBin() === undefined
    ? `no PostgreSQL of the system has all of ${PROGRAMS.join(', ')}`
    : undefined;
}

function fullBin(): string | undefined {
  return systemBinFolders().find((bin) => PROGRAMS.every((program) => existsSync(join(bin, program))));
}

/**
 * One etcd and three nodes under Patroni on loopback. Their REST API is https, and what changes something asks for a
 * password. (Of one kind all: a Patroni 3.0.2 with a certificate can't ask one without.)
 */
export class PatroniCluster implements AsyncDisposable {
  readonly nodes: readonly PatroniNode[];
  readonly #roles = newRoles();

  private constructor(
    private readonly folder: GuardedFolder,
    private readonly etcd: ChildProcess,
    private readonly shared: PatroniShared,
    nodes: readonly PatroniNode[],
  ) {
    this.nodes = nodes;
  }

  static async start(): Promise<PatroniCluster> {
    const account = systemAccount();
    const folder = await GuardedFolder.create(account, await defaultDataParent());
    const certificate = makeCertificate(folder.path);
    if (account) for (const file of Object.values(certificate)) await chown(file, account.uid, account.gid);
    const etcdPort = await freePort();
    const secret = (user: string) => ({ user, password: randomPassword() });
    const shared: PatroniShared = {
      bin: sure(fullBin()),
      etcdPort,
      authority: certificate.certFile,
      api: secret('operator'),
      superuser: secret(SUPERUSER),
      replication: secret('replicator'),
      rewind: secret('rewinder'),
    };
    const nodes = await Promise.all(
      NAMES.map(async (name) => {
        const place = {
          name,
          folder: join(folder.path, name),
          port: await freePort(),
          apiPort: await freePort(),
          certificate,
        };
        await mkdir(place.folder, { mode: 0o700 });
        if (account) await chown(place.folder, account.uid, account.gid);
        await writeOwned(join(place.folder, 'patroni.yml'), patroniConfig(place, shared), account);
        const url = `postgres://${SUPERUSER}:${shared.superuser.password}@127.0.0.1:${place.port}/${SUPERUSER}`;
        return new PatroniNode(place, url, account);
      }),
    );
    const etcd = await startEtcd(folder.path, etcdPort, account);
    const cluster = new PatroniCluster(folder, etcd, shared, nodes);
    try {
      await cluster.#boot();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** As an operator's file would name it, whoever leads. */
  configOf(master: string): EmbeddedClusterConfig {
    const places = this.nodes.map(({ name, port }) => ({ name, port, host: '127.0.0.1' }));
    const others = places.filter(({ name }) => name !== master);
    const first = sure(places.find(({ name }) => name === master));
    return clusterConfig(first, others, { roles: this.#roles, database: APP_DATABASE });
  }

  /** What `failover.patroni` takes. */
  get access() {
    return {
      urls: this.nodes.map(({ url }) => url),
      ...this.shared.api,
      ssl: { ca: readFileSync(this.shared.authority, 'utf8') },
    };
  }

  node(name: string): PatroniNode {
    return sure(
      this.nodes.find((node) => node.name === name),
      name,
    );
  }

  /** Everything runs, one node is primary and the other two stream from it, one of them as what a commit waits for. */
  async untilWhole(): Promise<PatroniNode> {
    for (const node of this.nodes) {
      node.thaw();
      node.start();
    }
    return until(() => this.#wholePrimary(), {
      deadlineMs: START_DEADLINE_MS,
      what: 'the cluster to be whole',
    }).catch((error: unknown) => {
      throw new Error(`three nodes under Patroni did not become whole:\n${this.#logs()}`, { cause: error });
    });
  }

  /** Whom the store names as the leader, while that one alone is writable. */
  async soleLeader(): Promise<PatroniNode | undefined> {
    const roles = await Promise.all(this.nodes.map((node) => node.isPrimary()));
    const primary = this.nodes[roles.indexOf(true)];
    if (!primary || roles.filter((role) => role === true).length > 1) return undefined;
    const said = await members(primary.url).catch(() => []);
    return said.some(({ name, role }) => role === 'leader' && name === primary.name) ? primary : undefined;
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.discard()));
    const ended = once(this.etcd, 'exit');
    if (this.etcd.exitCode === null && this.etcd.kill('SIGKILL')) await ended;
    await this.folder.remove();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #boot(): Promise<void> {
    const primary = await this.untilWhole();
    const { rows } = await primary.query<{ major: number }>(
      `SELECT current_setting('server_version_num')::int / 10000 AS major`,
    );
    await createRoles(
      (database, run) => withClient(inDatabase(primary.connectionString, database), run),
      this.#roles,
      sure(rows[0]).major,
    );
  }

  #logs(): string {
    return this.nodes
      .map(({ name, logFile }) => `--- ${name}\n${readFileSync(logFile, 'utf8').slice(-3_000)}`)
      .join('\n');
  }

  async #wholePrimary(): Promise<PatroniNode | undefined> {
    const roles = await Promise.all(this.nodes.map((node) => node.isPrimary()));
    const primary = this.nodes[roles.indexOf(true)];
    if (!primary || roles.filter((role) => role === false).length < 2) return undefined;
    const { rows } = await primary.query<{ streaming: number; sync: number }>(
      `SELECT count(*)::int AS streaming, count(*) FILTER (WHERE sync_state = 'sync')::int AS sync
         FROM pg_stat_replication WHERE state = 'streaming'`,
    );
    if (rows[0]?.streaming !== 2 || rows[0].sync !== 1) return undefined;
    const said = await Promise.all(this.nodes.map(({ url }) => members(url).catch(() => [])));
    const words = ['leader', 'replica', 'sync_standby'];
    const isWhole = said.every(
      (all) =>
        all.every(({ state }) => /^(running|streaming)$/.test(state)) &&
        all.find(({ role }) => role === 'leader')?.name === primary.name &&
        words.every((word) => all.some(({ role }) => role === word)),
    );
    return isWhole ? primary : undefined;
  }
}

interface Member {
  readonly name: string;
  readonly role: string;
  readonly state: string;
}

/** What a Patroni says of the cluster, asked in the plainest way there is. */
function members(url: string): Promise<readonly Member[]> {
  return new Promise((resolve, reject) => {
    const options = { rejectUnauthorized: false, timeout: 5_000, agent: false };
    get(`${url}/cluster`, options, (answer) => {
      let text = '';
      answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
      answer.on('error', reject);
      answer.on('end', () => resolve((JSON.parse(text) as { members: Member[] }).members));
    })
      .on('timeout', function (this: { destroy(error: Error): void }) {
        this.destroy(new Error('no answer'));
      })
      .on('error', reject);
  });
}

async function startEtcd(
  folder: string,
  port: number,
  account: SystemAccount | undefined,
): Promise<ChildProcess> {
  const data = join(folder, 'etcd');
  await mkdir(data, { mode: 0o700 });
  if (account) await chown(data, account.uid, account.gid);
  const [client, peer] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${await freePort()}`];
  const args = ['--name', 'etcd', '--data-dir', data, '--log-level', 'error'];
  args.push('--listen-client-urls', client, '--advertise-client-urls', client);
  args.push(
    '--listen-peer-urls',
    peer,
    '--initial-advertise-peer-urls',
    peer,
    '--initial-cluster',
    `etcd=${peer}`,
  );
  // The name is for the guardian, as with Patroni.
  const options = {
    ...spawnOptions(account),
    argv0: `etcd -D ${data}/`,
    detached: true,
    stdio: 'ignore',
  } as const;
  const etcd = spawn('/usr/bin/etcd', args, options);
  etcd.on('error', () => {});
  etcd.unref();
  return etcd;
}
