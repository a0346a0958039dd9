import { describe, expect, it } from 'vitest';
import { fakeCluster, type FakeCluster } from './fake-cluster.js';

const WRITE = 'INSERT INTO users VALUES (1)';

const query = ({ cluster }: FakeCluster, text: string) => cluster.query(text);
const onReplicas = (fake: FakeCluster) => [...fake.sent('r1'), ...fake.sent('r2')];

describe('what needs a connection of its own', () => {
  it.each([
    ['SET work_mem = 1', 'setting'],
    ['LISTEN orders', 'listen'],
    ['BEGIN', 'transaction-control'],
    ['PREPARE one AS SELECT 1', 'prepared-statement'],
    ['CREATE TEMP TABLE t (id int)', 'temporary-object'],
  ])('is refused outside of one and not sent: %s', async (text, reason) => {
    await using fake = await fakeCluster();
    const scopes = [
      () => query(fake, text),
      () => fake.cluster.useMaster(() => query(fake, text)),
      () => fake.cluster.useReplica(() => query(fake, text)),
    ];
    for (const ask of scopes)
      await expect(ask()).rejects.toMatchObject({ code: 'SESSION_STATEMENT', reason });
    expect([onReplicas(fake), fake.sent('p')]).toEqual([[], []]);
  });

  it('runs in a scope that holds one', async () => {
    await using fake = await fakeCluster();
    await fake.cluster.useMaster({ session: true }, () => fake.cluster.query('SET work_mem = 1'));
    await fake.cluster.transaction(() => fake.cluster.query('SET LOCAL work_mem = 1'));
    await using lease = await fake.cluster.getMasterConnection();
    await lease.query('LISTEN orders');
    expect(fake.sent('p').toSorted()).toEqual([
      'BEGIN',
      'COMMIT',
      'LISTEN orders',
      'SET LOCAL work_mem = 1',
      'SET work_mem = 1',
    ]);
  });

  it.each(['BEGIN', 'COMMIT', 'ROLLBACK', `PREPARE TRANSACTION 'one'`, 'BEGIN; SELECT 1; COMMIT'])(
    'is no %s within transaction(), which goes on',
    async (text) => {
      await using fake = await fakeCluster();
      await fake.cluster.transaction(async () => {
        await fake.cluster.query(WRITE);
        await expect(fake.cluster.query(text)).rejects.toMatchObject({ code: 'SESSION_STATEMENT' });
        await fake.cluster.query('SAVEPOINT one');
      });
      expect(fake.sent('p')).toEqual(['BEGIN', WRITE, 'SAVEPOINT one', 'COMMIT']);
    },
  );
});

describe('a write in a replica scope', () => {
  it.each([
    [WRITE, 'write'],
    ['SELECT FROM users FOR UPDATE', 'row-lock'],
    ['CREATE TABLE t (id int)', 'ddl'],
    ['SELECT 1; DELETE FROM users', 'write'],
  ])('is refused and not sent: %s', async (text, reason) => {
    await using fake = await fakeCluster();
    const scopes = [
      () => query(fake, text),
      () => fake.cluster.useReplica({ session: true }, () => query(fake, text)),
      () =>
        fake.cluster.transaction({ readOnly: true }, () => fake.cluster.useReplica(() => query(fake, text))),
    ];
    for (const ask of scopes)
      await expect(fake.cluster.useReplica(ask)).rejects.toMatchObject({ code: 'WRITE_ON_REPLICA', reason });
    expect([onReplicas(fake), fake.sent('p')]).toEqual([[], []]);
  });
});
