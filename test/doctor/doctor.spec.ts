import { chown, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PgCluster, type ClusterConfig, type DoctorReport, type Finding } from 'nestjs-pg-mcp';
import { EmbeddedCluster } from 'nestjs-pg-mcp/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemAccount } from '../../lib/testing/system-account.js';
import { makeCertificate, type Certificate } from '../support/certificate.js';
import { freshDatabase } from '../support/cluster.js';
import { PgBouncer, pgBouncerVersion } from '../support/pgbouncer.js';
import { sure } from '../support/sure.js';

const of = ({ findings }: DoctorReport, check: Finding['check']) =>
  findings.filter((finding) => finding.check === check);
const levels = (report: DoctorReport, check: Finding['check']) => of(report, check).map(({ level }) => level);

describe('on a cluster of its own', () => {
  let folder: string;
  let certificate: Certificate;
  let servers: EmbeddedCluster;
  let config: EmbeddedCluster['config'];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pg-mcp-doctor-'));
    certificate = makeCertificate(folder);
    const account = systemAccount();
    if (account) {
      for (const path of [folder, ...Object.values(certificate)]) await chown(path, account.uid, account.gid);
    }
    servers = await EmbeddedCluster.start({
      replicas: 2,
      settings: {
        ssl: 'on',
        ssl_cert_file: certificate.certFile,
        ssl_key_file: certificate.keyFile,
        synchronous_standby_names: 'ANY 1 (node1, node2, node3)',
        max_slot_wal_keep_size: '64MB',
      },
    });
    ({ config } = servers);
  });

  afterAll(async () => {
    await servers.stop();
    await rm(folder, { recursive: true });
  });

  async function examine(change: Partial<ClusterConfig> = {}): Promise<DoctorReport> {
    // Never connected: it looks at the nodes by itself.
    return await PgCluster.fromConfig({ ...config, ...change }).doctor();
  }

  it('finds a sound cluster so, over verified TLS, with the rights to promote', async () => {
    const ca = await readFile(certificate.certFile, 'utf8');
    const withTls = <T extends object>(nodes: readonly T[]) =>
      nodes.map((node) => ({ ...node, ssl: { ca } }));
    const report = await examine({
      masters: withTls(config.masters),
      replicas: withTls(config.replicas),
      failover: { mode: 'promote' },
    });
    expect(of(report, 'tls').map(({ level, seen }) => `${level}: ${seen}`)).toEqual(
      Array(3).fill('pass: TLSv1.3, certificate and name verified'),
    );
    expect(of(report, 'failover-rights').map(({ seen }) => seen)).toEqual(
      Array(3).fill('may promote, repoint and fence'),
    );
    expect(of(report, 'synchronous-standbys')).toMatchObject([
      { level: 'pass', seen: expect.stringMatching(/; connected: node2, node3$/) },
    ]);
    expect(report.counts.fail).toBe(0);
    expect(JSON.stringify(report)).not.toContain(sure(config.masters[0]).password);
  });

  it('takes a slot that nobody uses, names that nobody has, and an account that writes for what they are', async () => {
    const { primary } = servers;
    await primary.query("SELECT pg_create_physical_replication_slot('abandoned', true)");
    await primary.query("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (east, west)'");
    await primary.query('SELECT pg_reload_conf()');
    const report = await examine({
      replicas: config.replicas.map(({ name, host, port }) => ({ name, host, port })),
    });
    await primary.query('ALTER SYSTEM RESET synchronous_standby_names');
    await primary.query('SELECT pg_reload_conf()');
    await primary.query("SELECT pg_drop_replication_slot('abandoned')");
    expect(of(report, 'replication-slots')).toMatchObject([
      { level: 'warn', node: 'node1', seen: expect.stringContaining('abandoned is used by nobody') },
    ]);
    expect(of(report, 'synchronous-standbys')).toMatchObject([
      { level: 'fail', seen: expect.stringContaining('asks for 1, and 0 match') },
    ]);
    expect(of(report, 'read-only-account')).toMatchObject([
      {
        level: 'fail',
        seen: expect.stringMatching(/^app_user in app: it may create tables in schema public/),
      },
    ]);
  });

  it('says what a probing account without rights can not do', async () => {
    const { monitor: _, ...bare } = config;
    const report = await PgCluster.fromConfig(bare, { failover: { mode: 'promote' } }).doctor();
    const [first] = of(report, 'failover-rights');
    expect(first).toMatchObject({ level: 'fail', seen: expect.stringContaining('nothing can be promoted') });
    expect(first?.remedy).toContain('GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer) TO');
  });

  it('goes on where nodes are down, the primary among them', async () => {
    await servers.primary.kill();
    const report = await examine();
    await servers.primary.start();
    expect(of(report, 'nodes').map(({ node, level }) => [node, level])).toEqual([
      ['node1', 'fail'],
      ['node2', 'pass'],
      ['node3', 'pass'],
      [undefined, 'fail'],
    ]);
    expect(of(report, 'synchronous-standbys')).toMatchObject([{ level: 'warn' }]);
    expect(levels(report, 'clock')).toEqual(['pass', 'pass']);
  });
});

it('counts the processes by their probes, and other clients', async () => {
  const { config } = await freshDatabase();
  const options = { connectionPool: { applicationName: 'doctors_shop', maxConnections: 20 } };
  const clusters = [1, 2].map(() => PgCluster.fromConfig(config, options));
  await Promise.all(clusters.map((cluster) => cluster.connect()));
  const [one] = clusters;
  const report = await sure(one).doctor();
  const told = await sure(one).doctor({ processes: 7 });
  await Promise.all(clusters.map((cluster) => cluster.close()));
  for (const { seen } of of(report, 'pool-size'))
    expect(seen).toMatch(/^2 × 21 connections of \d+ that are free/);
  expect(levels(told, 'pool-size')).toEqual(['fail', 'fail', 'fail']);
});

it('asks for the metrics as Prometheus does, and tells no password of their URL', async () => {
  const { config } = await freshDatabase();
  const server = createServer(({ url, headers }, response) => {
    const isKnown = headers.authorization === `Basic ${Buffer.from('prom:s3cret').toString('base64')}`;
    response.setHeader('connection', 'close');
    response.statusCode = isKnown ? 200 : 401;
    response.end(url === '/metrics?token=t0ken' ? 'db_pool_size{node="node1"} 10\n' : 'up 1\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const doctor = async (metricsUrl: string) => await PgCluster.fromConfig(config).doctor({ metricsUrl });
  const [right, wrong, refused] = await Promise.all([
    doctor(`http://prom:s3cret@127.0.0.1:${port}/metrics?token=t0ken`),
    doctor(`http://prom:s3cret@127.0.0.1:${port}/other`),
    doctor(`http://127.0.0.1:${port}/metrics`),
  ]);
  await new Promise((resolve) => server.close(resolve));
  const gone = await doctor(`http://prom:s3cret@127.0.0.1:${port}/metrics?token=t0ken`);
  const base = `http://127.0.0.1:${port}`;
  expect(of(right, 'metrics')).toEqual([
    { check: 'metrics', level: 'pass', seen: `${base}/metrics has db_pool_size` },
  ]);
  expect(of(wrong, 'metrics')).toMatchObject([{ level: 'fail', seen: `${base}/other has no db_pool_size` }]);
  expect(of(refused, 'metrics')).toMatchObject([
    { level: 'fail', seen: `${base}/metrics answers with status 401` },
  ]);
  expect(of(gone, 'metrics')).toMatchObject([
    { level: 'fail', seen: expect.stringContaining('ECONNREFUSED') },
  ]);
  expect(JSON.stringify([right, wrong, refused, gone])).not.toMatch(/s3cret|t0ken/);
});

it('refuses options that are none', async () => {
  const { config } = await freshDatabase();
  const cluster = PgCluster.fromConfig(config);
  await expect(cluster.doctor({ middleboxTimeout: 'soon' })).rejects.toThrow(TypeError);
  await expect(cluster.doctor({ processes: 0.5 })).rejects.toThrow(/whole number/);
});

const version = pgBouncerVersion();
if (version === undefined) console.log('a test of doctor.spec.ts is skipped: pgbouncer is not installed');

it.skipIf(version === undefined)(`tells of ${version} in between`, async () => {
  const { config } = await freshDatabase();
  const [master, replica] = [sure(config.masters[0]), sure(config.replicas[0])];
  await using bouncer = await PgBouncer.start({ port: master.port, accounts: [master] }, 3);
  const report = await PgCluster.fromConfig({
    masters: [{ ...master, port: bouncer.port, name: 'behind' }],
    replicas: [replica],
  }).doctor();
  expect(of(report, 'pooler').map(({ node, level }) => [node, level])).toEqual([
    ['behind', 'warn'],
    [replica.name, 'pass'],
  ]);
});
