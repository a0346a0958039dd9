import { RequestScope } from 'nestjs-pg-mcp';
import { describe, expect, it, vi } from 'vitest';
import { TokenSigner, type SessionToken } from '../../lib/session/token.js';
import { sure } from '../support/sure.js';
import { fakeCluster, type FakeCluster } from './fake-cluster.js';
import { inSession, nodeOf, REPLICA, told, WRITE } from './in-session.js';

const SECRET = 'a secret of the tests';
const OPTIONS = { session: { secret: SECRET } };
const signer = new TokenSigner(SECRET);
/** Where the fake primary is. */
const HERE: SessionToken = { systemId: '7000000000000000001', timeline: 1, lsn: 100n };

const read = (token: string | undefined) => signer.read(sure(token));
const ignored = ({ cluster }: FakeCluster) => Object.fromEntries(cluster.getCounters().ignoredTokens);
const resume = <T>({ cluster }: FakeCluster, token: SessionToken, work: () => T) =>
  cluster.session.resume(signer.sign(token), work);

function replayed({ nodes }: FakeCluster, r1: number, r2 = r1): void {
  nodes.r1.replayed = r1;
  nodes.r2.replayed = r2;
}

describe('the token of a session', () => {
  it('is none where nothing was written', async () => {
    await using fake = await fakeCluster(OPTIONS);
    expect(await inSession(fake, () => fake.cluster.session.token())).toBeUndefined();
  });

  it('waits for the position behind what was written', async () => {
    await using fake = await fakeCluster(OPTIONS);
    await inSession(fake, async () => {
      await fake.cluster.query(WRITE);
      await fake.clock.advance(1);
      expect(read(await fake.cluster.session.token())).toEqual(HERE);
    });
  });

  it('does without a position where the primary keeps silent', async () => {
    await using fake = await fakeCluster(OPTIONS);
    const { answer } = fake.driver;
    await inSession(fake, async () => {
      await fake.cluster.query(WRITE);
      fake.driver.answer = (statement, connection) =>
        connection.options.node === 'p' ? new Promise(() => {}) : answer(statement, connection);
      const asked = fake.cluster.session.token();
      await fake.clock.advance(500);
      expect(read(await asked)).toEqual({ ...HERE, lsn: undefined });
    });
  });

  it('is of the process outside any session, and of the request in one', async () => {
    await using fake = await fakeCluster(OPTIONS);
    const request = new RequestScope();
    const { session } = fake.cluster;
    await fake.cluster.runInRequest(request, () => fake.cluster.query(WRITE));
    await told(fake);
    expect(await session.token()).toBeUndefined();
    expect(read(await fake.cluster.runInRequest(request, () => session.token()))).toEqual(HERE);
  });

  it('is passed on as it was brought, where nothing was written since', async () => {
    await using fake = await fakeCluster(OPTIONS);
    const token = signer.sign({ ...HERE, lsn: 70n });
    const { session } = fake.cluster;
    expect(await session.resume(token, () => session.token())).toBe(token);
  });

  it('of a timeline that nobody here has seen is passed on, too', async () => {
    await using fake = await fakeCluster(OPTIONS);
    const token = signer.sign({ ...HERE, timeline: 2 });
    const { session } = fake.cluster;
    expect(await session.resume(token, () => session.token())).toBe(token);
  });

  it('is signed with a random secret where none is given, which is told once', async () => {
    vi.stubEnv('PG_MCP_SESSION_SECRET', undefined);
    const warning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    await using fake = await fakeCluster();
    await using other = await fakeCluster();
    await fake.cluster.query(WRITE);
    const token = sure(await fake.cluster.session.token());
    expect(await fake.cluster.session.token()).toBe(token);
    expect(warning.mock.calls).toEqual([[expect.stringContaining('PG_MCP_SESSION_SECRET')]]);
    await other.cluster.session.resume(token, () => nodeOf(other));
    expect([ignored(fake), ignored(other)]).toEqual([{}, { invalid: 1 }]);
    vi.unstubAllEnvs();
    warning.mockRestore();
  });
});

describe('a session resumed', () => {
  it('reads what was written elsewhere', async () => {
    await using fake = await fakeCluster(OPTIONS);
    replayed(fake, 99, 100);
    await fake.probe();
    for (let i = 0; i < 3; i++) expect(await resume(fake, HERE, () => nodeOf(fake))).toBe('r2');
    expect(await resume(fake, { ...HERE, lsn: 101n }, () => nodeOf(fake))).toBe('p');
  });

  it('without a position is on the primary until that has told one', async () => {
    await using fake = await fakeCluster(OPTIONS);
    await resume(fake, { ...HERE, lsn: undefined }, async () => {
      expect(await nodeOf(fake)).toBe('p');
      await told(fake);
      expect(await nodeOf(fake)).toEqual(REPLICA);
    });
  });

  it('without a token, or with an empty one, is a fresh one', async () => {
    await using fake = await fakeCluster(OPTIONS);
    await fake.cluster.query(WRITE);
    for (const token of [undefined, null as never, ''])
      expect(await fake.cluster.session.resume(token, () => nodeOf(fake))).toEqual(REPLICA);
    expect(ignored(fake)).toEqual({});
  });

  it.each([
    ['a forged token', () => 'forged', 'invalid'],
    [
      'one of another secret',
      () => new TokenSigner('another secret').sign({ ...HERE, lsn: 101n }),
      'invalid',
    ],
    ['something else of a payload', () => [signer.sign({ ...HERE, lsn: 101n })] as never, 'invalid'],
    ['one of another system', () => signer.sign({ ...HERE, systemId: '8', lsn: 101n }), 'other-system'],
    ['one of no system', () => signer.sign({ ...HERE, systemId: '', lsn: 101n }), 'other-system'],
  ])('with %s is a fresh one, and it is counted', async (_, token, reason) => {
    await using fake = await fakeCluster(OPTIONS);
    expect(await fake.cluster.session.resume(token(), () => nodeOf(fake))).toEqual(REPLICA);
    expect(ignored(fake)).toEqual({ [reason]: 1 });
  });

  it('from a newer timeline looks once, and goes where that is found', async () => {
    await using fake = await fakeCluster(OPTIONS);
    fake.nodes.p = { standby: true, timeline: 2, replayed: 100 };
    fake.nodes.r1 = { standby: false, timeline: 2, replayed: 0 };
    fake.nodes.r2 = { standby: true, timeline: 2, replayed: 99 };
    expect(await resume(fake, { ...HERE, timeline: 2 }, () => nodeOf(fake))).toBe('p');
    expect(fake.cluster.getStatus().primary).toBe('r1');
    expect(ignored(fake)).toEqual({});
  });

  it('from a newer timeline that nobody has is of a life that was left, and counted', async () => {
    await using fake = await fakeCluster(OPTIONS);
    await resume(fake, { ...HERE, timeline: 2 }, async () => {
      expect(await nodeOf(fake)).toEqual(REPLICA);
      expect(await fake.cluster.session.token()).toBeUndefined();
    });
    expect(ignored(fake)).toEqual({ forked: 1 });
  });

  it.each([
    ['before the fork', 79n, 80, {}],
    ['at the fork', 80n, 80, {}],
    ['behind the fork: what it wrote is lost', 81n, 80, { forked: 1 }],
    ['of which nobody knows the fork', 81n, undefined, {}],
  ])('from an older timeline, %s', async (_, lsn, forkedAt, counted) => {
    await using fake = await fakeCluster(OPTIONS);
    const next = { timeline: 2, replayed: 100 };
    Object.assign(fake.nodes, {
      p: { ...next, standby: false, ...(forkedAt !== undefined && { forkedAt }) },
      r1: { ...next, standby: true },
      r2: { ...next, standby: true },
    });
    await fake.probe();
    expect(await resume(fake, { ...HERE, lsn }, () => nodeOf(fake))).toEqual(REPLICA);
    expect(ignored(fake)).toEqual(counted);
  });

  it('from an older timeline reads where the new one has come to', async () => {
    await using fake = await fakeCluster(OPTIONS);
    fake.nodes.p = { standby: false, timeline: 2, replayed: 0, forkedAt: 80 };
    fake.nodes.r1 = { standby: true, timeline: 2, replayed: 99 };
    fake.nodes.r2 = { standby: true, timeline: 2, replayed: 99 };
    await fake.probe();
    await resume(fake, { ...HERE, lsn: 70n }, async () => {
      expect(await nodeOf(fake)).toBe('p');
      replayed(fake, 99, 100);
      await told(fake);
      expect(await nodeOf(fake)).toBe('r2');
    });
  });
});

describe('a session joined', () => {
  it('has a generator to its end, whoever reads it', async () => {
    await using fake = await fakeCluster(OPTIONS);
    const { session } = fake.cluster;
    async function* sessions() {
      yield session.current;
      yield session.current;
    }
    const [open, generator] = inSession(fake, () => [session.current, session.join(undefined, sessions)]);
    for await (const current of generator) expect(current).toBe(open);
  });

  it('stays on a replica where the tokens it hears of are of its timeline', async () => {
    await using fake = await fakeCluster(OPTIONS);
    const join = (lsn: bigint) =>
      fake.cluster.session.join(signer.sign({ ...HERE, lsn }), () => nodeOf(fake));
    replayed(fake, 99, 100);
    await fake.probe();
    await inSession(fake, async () => {
      expect([await join(99n), await join(100n), await join(98n)]).toEqual([REPLICA, 'r2', 'r2']);
      expect(await join(101n)).toBe('p');
    });
  });

  it('keeps what it has written where a token of a newer timeline turns out to count for nothing', async () => {
    await using fake = await fakeCluster(OPTIONS);
    await resume(fake, HERE, async () => {
      const token = signer.sign({ ...HERE, timeline: 2 });
      expect(await fake.cluster.session.join(token, () => nodeOf(fake))).toBe('p');
      expect(ignored(fake)).toEqual({ forked: 1 });
    });
  });
});
