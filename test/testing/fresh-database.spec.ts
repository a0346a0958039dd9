import { Client } from 'pg';
import { expect, test } from 'vitest';
import { inDatabase, queryOnce } from '../../lib/testing/superuser.js';
import { freshDatabase } from '../support/cluster.js';
import { until } from '../support/until.js';

test('each call gives a database of its own that the primary and both replicas have', async () => {
  const [one, other] = await Promise.all([freshDatabase(), freshDatabase()]);
  expect(one.name).not.toBe(other.name);
  expect(one.replicaUrls).toHaveLength(2);
  for (const url of [one.adminUrl, ...one.replicaUrls]) {
    const { rows } = await queryOnce(url, 'SELECT current_database() AS name');
    expect(rows).toEqual([{ name: one.name }]);
  }
});

test('its config reaches it with the account of each role', async () => {
  const { name, config, replicaUrls } = await freshDatabase();
  const connect = async (entry: (typeof config.masters)[number] | undefined, text: string) => {
    const client = new Client(entry ?? {});
    await client.connect();
    try {
      return (await client.query(text)).rows;
    } finally {
      await client.end();
    }
  };
  await connect(config.masters[0], 'CREATE TABLE note (id int); INSERT INTO note VALUES (7)');
  const [replica = ''] = replicaUrls;
  await until(
    async () => (await queryOnce(replica, `SELECT to_regclass('note') AS note`)).rows[0]?.['note'],
    {
      deadlineMs: 5_000,
      what: 'the table on the replica',
    },
  );
  expect(config.replicas).toHaveLength(2);
  expect(config.replicas[0]?.database).toBe(name);
  expect(inDatabase(replica, name)).toBe(replica);
  await until(async () => (await connect(config.replicas[0], 'SELECT id FROM note')).length === 1, {
    deadlineMs: 5_000,
    what: 'the row on the replica',
  });
});
