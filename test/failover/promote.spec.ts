import { PgCluster, type ClusterOptions, type FailoverEvent } from 'nestjs-pg-mcp';
import { EmbeddedCluster } from 'nestjs-pg-mcp/testing';
import { expect, it } from 'vitest';
import { sure } from '../support/sure.js';
import { until } from '../support/until.js';

const PROMOTING: ClusterOptions = {
  failover: { mode: 'promote' },
  healthCheck: { interval: '250ms', timeout: '1s' },
};
const FOLLOWS = `SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming' AND received_tli = $1`;

it('a replica is promoted when the primary is killed, and the other follows it', async () => {
  await using servers = await EmbeddedCluster.start({ replicas: 2 });
  await using cluster = PgCluster.fromConfig(servers.config, PROMOTING);
  const events: FailoverEvent[] = [];
  cluster.on('failover', (event) => events.push(event));
  await cluster.connect();
  await cluster.query('CREATE TABLE written (id int)');
  const former = servers.primary;
  await former.kill();

  await cluster.query('INSERT INTO written VALUES (1)');

  expect(servers.primary).not.toBe(former);
  const other = sure(servers.replicas[0]);
  await until(async () => (await other.query(FOLLOWS, [2])).rowCount, {
    deadlineMs: 5_000,
    what: 'the other to follow',
  });
  expect(events.map(({ step }) => step)).toEqual([
    'primary-lost',
    'locks-taken',
    'cut-off',
    'candidate-chosen',
    'others-repointed',
    'promoted',
    'primary-found',
  ]);
}, 60_000);
