import { EmbeddedCluster } from 'nestjs-pg-mcp/testing';
import { Client } from 'pg';
import { expect, it, vi } from 'vitest';
import { inDatabase } from '../../lib/testing/superuser.js';
import { sure } from '../support/sure.js';
import { until } from '../support/until.js';
import { Promoting, writable } from './promoting.js';

vi.setConfig({ testTimeout: 60_000 });

async function asSuperuser(servers: EmbeddedCluster, ...statements: readonly string[]): Promise<void> {
  const client = new Client({ connectionString: inDatabase(servers.primary.connectionString, 'postgres') });
  await client.connect();
  for (const statement of statements) await client.query(statement);
  await client.end();
}

it('without its rights it says which, once, and follows; what it says gives them', async () => {
  await using servers = await EmbeddedCluster.start({
    replicas: 2,
    settings: { synchronous_standby_names: 'ANY 1 (node1, node2, node3)' },
  });
  const { user } = servers.config.monitor;
  await asSuperuser(
    servers,
    `REVOKE EXECUTE ON FUNCTION pg_promote(boolean, integer), pg_reload_conf() FROM ${user}`,
    `REVOKE ALL ON PARAMETER primary_conninfo, default_transaction_read_only FROM ${user}`,
    `REVOKE pg_signal_backend FROM ${user}`,
  );
  const warnings: string[] = [];
  const listen = (warning: Error) => warnings.push(warning.message);
  process.on('warning', listen);

  const grants = await (async () => {
    await using promoting = await Promoting.connect(servers.config);
    expect(promoting.steps).toEqual(['mode-reduced']);
    const detail = sure(promoting.events[0]?.detail);
    await until(() => warnings.includes(detail), { deadlineMs: 1_000, what: 'the warning' });
    const former = servers.primary;
    await former.kill();
    await until(() => promoting.cluster.getStatus().primary === undefined, {
      deadlineMs: 10_000,
      what: 'no primary',
    });
    const heir = sure(servers.replicas[0]);
    await heir.promote();
    await promoting.told('primary-found');
    expect(promoting.steps).toEqual(['mode-reduced', 'primary-lost', 'primary-found']);
    await servers.rejoin(former);
    await servers.rejoin(sure(servers.replicas.find((node) => node !== former)));
    return sure(detail.split('In database postgres: ')[1])
      .split(';')
      .filter((grant) => grant.trim() !== '');
  })();
  process.off('warning', listen);

  expect(grants.map((grant) => grant.trim())).toEqual([
    `GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer) TO ${user}`,
    `GRANT EXECUTE ON FUNCTION pg_reload_conf() TO ${user}`,
    `GRANT ALTER SYSTEM ON PARAMETER primary_conninfo TO ${user}`,
    `GRANT pg_signal_backend TO ${user}`,
    `GRANT ALTER SYSTEM ON PARAMETER default_transaction_read_only TO ${user}`,
  ]);
  await asSuperuser(servers, ...grants);
  await using promoting = await Promoting.connect(servers.config);
  expect(promoting.steps).toEqual([]);
  await servers.primary.kill();
  await promoting.told('promoted');
  expect([...(await writable(servers)).values()]).toEqual([3]);
});
