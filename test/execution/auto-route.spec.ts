import { describe, expect, it, vi } from 'vitest';
import { fakeCluster, type FakeCluster } from './fake-cluster.js';

const READ = 'SELECT 7';
const WRITE = 'INSERT INTO users VALUES (1)';
const MINUTE = 60_000;

const serverError = (code: string, message = `error ${code}`) => Object.assign(new Error(message), { code });

/** In a session of its own: what happened before has no say. */
const query = ({ cluster }: FakeCluster, text = READ) =>
  cluster.session.resume(undefined, async () => (await cluster.query<{ node: string }>(text)).rows[0]?.node);

/** Without that by which a pool asks whether a connection lives. */
const sent = (fake: FakeCluster, ...nodes: string[]) =>
  nodes.flatMap((node) => fake.sent(node)).filter((text) => text !== 'SELECT 1');
const onReplicas = (fake: FakeCluster) => sent(fake, 'r1', 'r2');
const onPrimary = (fake: FakeCluster) => sent(fake, 'p');
const decisions = ({ cluster }: FakeCluster, target: string) =>
  Object.fromEntries(
    cluster
      .getCounters()
      .decisions.filter((decision) => decision.target === target && decision.reason !== 'catalog')
      .map(({ reason, count }) => [reason, count]),
  );
const retries = ({ cluster }: FakeCluster) => Object.fromEntries(cluster.getCounters().retries);

/** Replicas answer a text with that error, as often as told. */
function refuseOnReplicas(fake: FakeCluster, error: Error, times = Infinity): void {
  fake.answer = (text, { options }) =>
    text === READ && options.node !== 'p' && times-- > 0 ? error : undefined;
}

describe('an undecorated call', () => {
  it('goes to a replica if it reads, and to the primary if it writes', async () => {
    await using fake = await fakeCluster();
    await query(fake);
    await query(fake, WRITE);
    await query(fake, 'SELEC 1');
    await query(fake, 'VALUES (1)');
    expect(onReplicas(fake)).toEqual([READ, 'VALUES (1)']);
    expect(onPrimary(fake)).toEqual([WRITE, 'SELEC 1']);
    expect(decisions(fake, 'replica')).toEqual({ read: 2 });
    expect(decisions(fake, 'primary')).toEqual({ write: 1, 'not-parsed': 1 });
  });

  it('that reads goes to the primary where no replica can serve, and needs nothing to hold it there', async () => {
    await using fake = await fakeCluster({ routing: { maxLagBytes: 10 } });
    fake.nodes.r1.replayed = fake.nodes.r2.replayed = 50;
    await fake.probe();
    expect(await query(fake)).toBe('p');
    expect(onPrimary(fake)).toEqual([READ]);
    expect(decisions(fake, 'primary')).toEqual({ 'no-replica': 1 });
  });

  it.each([
    [{ routing: { default: 'primary' } }, 'undecorated'],
    [{ routing: { mode: 'shadow' } }, 'shadow'],
    [{ consistency: 'strong' }, 'strong'],
  ] as const)('that reads goes to the primary with %j', async (options, reason) => {
    await using fake = await fakeCluster(options);
    await query(fake);
    expect([onPrimary(fake), onReplicas(fake)]).toEqual([[READ], []]);
    expect(decisions(fake, 'primary')).toEqual({ [reason]: 1 });
  });

  it('tells in shadow mode where it would have gone', async () => {
    await using fake = await fakeCluster({ routing: { mode: 'shadow' } });
    await query(fake);
    await query(fake, WRITE);
    await fake.cluster.useMaster(() => query(fake));
    expect(fake.cluster.getShadowReport()).toMatchObject({
      replica: 1,
      primary: 1,
      texts: [
        { text: READ, target: 'replica', count: 1 },
        { text: WRITE, target: 'primary', reason: 'write', count: 1 },
      ],
    });
  });

  it('asks for a consistency of its own', async () => {
    await using fake = await fakeCluster();
    await fake.cluster.query({ text: READ, consistency: 'strong' });
    await fake.cluster.query({ text: READ, consistency: 'eventual' });
    expect([onPrimary(fake), onReplicas(fake)]).toEqual([[READ], [READ]]);
  });
});

describe('a read that a replica refuses since it is one', () => {
  it.each([
    ['25006', 'cannot execute SELECT in a read-only transaction'],
    ['55000', 'recovery is in progress'],
    ['0A000', 'cannot use serializable mode in a hot standby'],
  ])('runs once more on the primary, and goes there from then on: %s', async (code, message) => {
    await using fake = await fakeCluster();
    refuseOnReplicas(fake, serverError(code, message));
    expect(await query(fake)).toBe('p');
    expect([onReplicas(fake), onPrimary(fake)]).toEqual([[READ], [READ]]);
    expect(await query(fake)).toBe('p');
    await fake.clock.advance(2 * MINUTE);
    expect(await query(fake)).toBe('p');
    expect([onReplicas(fake), onPrimary(fake)]).toEqual([[READ], [READ, READ, READ]]);
    expect(retries(fake)).toEqual({ 'refused-on-standby': 1 });
    expect(decisions(fake, 'primary')).toEqual({ 'refused-on-standby': 3 });
  });

  it('is another matter than the next text', async () => {
    await using fake = await fakeCluster();
    refuseOnReplicas(fake, serverError('25006'));
    await query(fake);
    expect(['r1', 'r2']).toContain(await query(fake, 'SELECT 2'));
  });

  it('counts as a write of its session: the primary may have done more than read', async () => {
    await using fake = await fakeCluster();
    refuseOnReplicas(fake, serverError('25006'));
    await fake.cluster.session.resume(undefined, async () => {
      await fake.cluster.query(READ);
      await fake.cluster.query('SELECT 2');
    });
    expect(onPrimary(fake)).toEqual([READ, 'SELECT 2']);
    expect(decisions(fake, 'primary')).toEqual({ 'refused-on-standby': 1, 'behind-session': 1 });
  });

  it('fails with what the primary says then', async () => {
    await using fake = await fakeCluster();
    fake.answer = (text) => (text === READ ? serverError('25006') : undefined);
    await expect(query(fake)).rejects.toMatchObject({ code: '25006' });
    expect([onReplicas(fake), onPrimary(fake)]).toEqual([[READ], [READ]]);
  });
});

describe('a read that a replica answers otherwise than the primary', () => {
  it.each(['42P01', '42703', '42883'])('runs once more on the primary, each time anew: %s', async (code) => {
    await using fake = await fakeCluster();
    refuseOnReplicas(fake, serverError(code));
    expect([await query(fake), await query(fake)]).toEqual(['p', 'p']);
    expect([onReplicas(fake), onPrimary(fake)]).toEqual([
      [READ, READ],
      [READ, READ],
    ]);
    expect(retries(fake)).toEqual({ 'replica-differs': 2 });
  });

  it('as its account may less there goes to the primary for a minute', async () => {
    await using fake = await fakeCluster();
    refuseOnReplicas(fake, serverError('42501'));
    await query(fake);
    await fake.clock.advance(MINUTE - 1);
    await query(fake);
    expect([onReplicas(fake), onPrimary(fake)]).toEqual([[READ], [READ, READ]]);
    await fake.clock.advance(1);
    await query(fake);
    expect([onReplicas(fake), onPrimary(fake)]).toEqual([
      [READ, READ],
      [READ, READ, READ],
    ]);
    expect(decisions(fake, 'primary')).toEqual({ 'replica-differs': 3 });
  });

  it('fails with what the primary says, where that has it neither', async () => {
    await using fake = await fakeCluster();
    fake.answer = (text) => (text === READ ? serverError('42P01') : undefined);
    await expect(query(fake)).rejects.toMatchObject({ code: '42P01' });
    expect([onReplicas(fake), onPrimary(fake)]).toEqual([[READ], [READ]]);
  });
});

describe('a read runs no second time', () => {
  it.each([
    ['55000', 'sequence is not yet defined in this session'],
    ['0A000', 'not implemented'],
    ['22012', 'division by zero'],
    ['57014', 'canceling statement due to user request'],
  ])('after %s, %s', async (code, message) => {
    await using fake = await fakeCluster();
    refuseOnReplicas(fake, serverError(code, message));
    await expect(query(fake)).rejects.toMatchObject({ code });
    expect([onReplicas(fake), onPrimary(fake), retries(fake)]).toEqual([[READ], [], {}]);
  });

  it.each([
    ['25006', 'WRITE_ON_REPLICA'],
    ['55000', '55000'],
    ['0A000', '0A000'],
    ['42P01', '42P01'],
    ['42501', '42501'],
  ])('in a replica scope: %s is %s', async (code, told) => {
    await using fake = await fakeCluster();
    refuseOnReplicas(fake, serverError(code, 'recovery is in progress'), 1);
    await expect(fake.cluster.useReplica(() => query(fake))).rejects.toMatchObject({ code: told });
    expect([onReplicas(fake), onPrimary(fake), retries(fake)]).toEqual([[READ], [], {}]);
    // Nor does undecorated code pay for it.
    expect(['r1', 'r2']).toContain(await query(fake));
  });

  it('in a transaction that reads from a replica', async () => {
    await using fake = await fakeCluster();
    refuseOnReplicas(fake, serverError('42P01'));
    const running = fake.cluster.transaction({ readOnly: true }, () => query(fake));
    await expect(running).rejects.toMatchObject({ code: '42P01' });
    expect([onReplicas(fake), onPrimary(fake)]).toEqual([['BEGIN READ ONLY', READ, 'ROLLBACK'], []]);
  });
});

describe('a read on the primary that loses its connection', () => {
  it.each([
    [READ, 'a read', 2],
    [WRITE, 'a write', 1],
    ['SELECT nowhere()', 'what may write', 1],
  ])('runs once more where it is sure to write nothing: %s, %s', async (text, _what, times) => {
    await using fake = await fakeCluster();
    fake.answer = (asked, connection) => {
      if (asked === text) connection.break();
      return undefined;
    };
    const lost = expect(fake.cluster.useMaster(() => query(fake, text))).rejects.toMatchObject({
      code: 'CONNECTION_LOST',
    });
    // Until a probe has found the primary well.
    await fake.clock.advance(1_000);
    await lost;
    expect(onPrimary(fake)).toEqual(Array.from({ length: times }, () => text));
  });
});

describe('a text that conflicts with recovery', () => {
  const conflict = serverError('40001', 'canceling statement due to conflict with recovery');

  it('three times within a minute goes to the primary for a minute', async () => {
    await using fake = await fakeCluster();
    for (let call = 0; call < 3; call++) {
      refuseOnReplicas(fake, conflict, 1);
      expect(['r1', 'r2']).toContain(await query(fake));
    }
    expect([onReplicas(fake).length, onPrimary(fake)]).toEqual([6, []]);
    expect(await query(fake)).toBe('p');
    await fake.clock.advance(MINUTE - 1);
    expect(await query(fake)).toBe('p');
    await fake.clock.advance(1);
    expect(['r1', 'r2']).toContain(await query(fake));
    expect(retries(fake)).toEqual({ 'recovery-conflict': 3 });
    expect(decisions(fake, 'primary')).toEqual({ 'recovery-conflicts': 2 });
  });

  it('three times in more than a minute goes on to replicas', async () => {
    await using fake = await fakeCluster();
    for (let call = 0; call < 3; call++) {
      refuseOnReplicas(fake, conflict, 1);
      await query(fake);
      await fake.clock.advance(MINUTE / 2);
    }
    expect(['r1', 'r2']).toContain(await query(fake));
  });

  it('marks no session: it has only read', async () => {
    await using fake = await fakeCluster();
    refuseOnReplicas(fake, conflict, 2);
    await fake.cluster.session.resume(undefined, async () => {
      expect((await fake.cluster.query(READ)).rows).toEqual([{ node: 'p' }]);
      expect((await fake.cluster.query('SELECT 2')).rows).not.toEqual([{ node: 'p' }]);
    });
  });
});

describe('names mean something else to the account of the replicas', () => {
  it('so undecorated reads stay on the primary, which is told once', async () => {
    await using fake = await fakeCluster({ connectionPool: { minConnections: 0 } });
    fake.driver.identity = ({ node }) => ({
      startedAt: 'then',
      searchPath: node === 'p' ? '[]' : '["elsewhere"]',
    });
    const warning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    expect([await query(fake), await query(fake)]).toEqual(['p', 'p']);
    expect([onReplicas(fake), onPrimary(fake)]).toEqual([[], [READ, READ]]);
    expect(decisions(fake, 'primary')).toEqual({ 'search-path': 2 });
    expect(warning.mock.calls).toEqual([[expect.stringMatching(/search_path.*\["elsewhere"\]/)]]);
    warning.mockRestore();
  });

  it('but a replica scope takes them as they are there', async () => {
    await using fake = await fakeCluster({ connectionPool: { minConnections: 0 } });
    fake.driver.identity = () => ({ startedAt: 'then', searchPath: '["elsewhere"]' });
    expect(['r1', 'r2']).toContain(await fake.cluster.useReplica(() => query(fake)));
  });
});
