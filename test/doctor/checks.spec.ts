import { describe, expect, test } from 'vitest';
import type { AccountFacts, Facts, ServerFacts } from '../../lib/doctor/facts.js';
import type { CheckName, Finding, Level } from '../../lib/doctor/finding.js';
import { judge } from '../../lib/doctor/examine.js';
import { facts, pooled, server, slot, SOUND, withNode } from './facts.js';

type Row = readonly [what: string, facts: Facts, level: Level, seen: RegExp, remedy?: RegExp];

/** Each row is the sound cluster but for one thing, and says the worst that the check finds in it. */
function table(check: CheckName, rows: readonly Row[]): void {
  describe(check, () => {
    test.each(rows.map((row) => ({ row })))('$row.0', ({ row: [, given, level, seen, remedy] }) => {
      const found = worst(judge(given).filter((finding) => finding.check === check));
      expect(found).toMatchObject({ level, seen: expect.stringMatching(seen) });
      if (level === 'pass') expect(found?.remedy).toBeUndefined();
      else expect(found?.remedy).toMatch(remedy ?? /./);
    });
  });
}

const ORDER: readonly Level[] = ['fail', 'warn', 'pass'];
const worst = (findings: readonly Finding[]) =>
  findings.toSorted((a, b) => ORDER.indexOf(a.level) - ORDER.indexOf(b.level))[0];

const sound = facts();
const on = (name: string, given: Parameters<typeof server>[1]) =>
  withNode(sound, name, { server: server(name === 'db1' ? 'primary' : 'replica', given) });
const primary = (given: Parameters<typeof server>[1]) => on('db1', given);
const replica = (given: Parameters<typeof server>[1]) => on('db2', given);
const as = (name: string, given: Partial<AccountFacts>, base = sound) =>
  withNode(base, name, { account: pooled(name === 'db1' ? 'primary' : 'replica', given) });
const clients = (probes: number, others = 5): ServerFacts['clients'] => ({ probes, others });
const ssl = (given: NonNullable<(typeof SOUND.masters)[number] & object>['ssl']) =>
  facts({ masters: [{ host: 'db1', name: 'db1', user: 'app', database: 'shop', ssl: given }] });

test('of a sound cluster every item passes', () => {
  const findings = judge(sound);
  expect(findings.filter(({ level }) => level !== 'pass')).toEqual([]);
  expect(new Set(findings.map(({ check }) => check)).size).toBe(16);
});

test('every item is told of where nobody answers', () => {
  const dead = { server: { unseen: 'ECONNREFUSED' }, account: { unseen: 'ECONNREFUSED' } };
  const findings = judge(['db1', 'db2', 'db3'].reduce((given, name) => withNode(given, name, dead), sound));
  expect(new Set(findings.map(({ check }) => check)).size).toBe(16);
  expect(findings.filter(({ check }) => check === 'nodes').map(({ level }) => level)).toEqual([
    'fail',
    'fail',
    'fail',
    'fail',
  ]);
  expect(findings.find(({ check }) => check === 'clock')).toMatchObject({ level: 'warn' });
});

test('one node alone has no replicas to ask', () => {
  const findings = judge(facts({ replicas: [] }));
  const of = (name: CheckName) => findings.find(({ check }) => check === name);
  for (const name of [
    'standby-delay',
    'hot-standby-feedback',
    'read-only-account',
    'replication-slots',
  ] as const)
    expect(of(name), name).toMatchObject({ level: 'pass' });
});

table('nodes', [
  ['all answer', sound, 'pass', /^primary, PostgreSQL 18\.0, account app$/],
  [
    'one does not',
    withNode(sound, 'db2', { server: { unseen: 'connect ECONNREFUSED' } }),
    'fail',
    /does not answer: connect ECONNREFUSED/,
    /start it/,
  ],
  [
    'one refuses the account',
    withNode(sound, 'db2', { account: { unseen: 'password authentication failed' } }),
    'fail',
    /refuses the account reader of the pool: password/,
    /pg_hba/,
  ],
  ['no primary', withNode(sound, 'db1', { server: server('replica') }), 'fail', /no node takes writes/],
  ['two', withNode(sound, 'db2', { server: server('primary') }), 'fail', /db1 and db2 are all primaries/],
]);

table('pool-size', [
  [
    'there is room',
    sound,
    'pass',
    /^2 × 11 connections of 90 that are free \(max_connections 100, 5 reserved, 5 of other clients\)$/,
  ],
  ['tight', primary({ clients: clients(7) }), 'warn', /^7 × 11/, /max_connections of 9 at most/],
  [
    'too many processes',
    primary({ clients: clients(9) }),
    'fail',
    /^9 × 11/,
    /a max_connections of 134 there/,
  ],
  ['too many others', primary({ clients: clients(2, 80) }), 'fail', /of 15 that are free/],
  ['as many as given', facts({}, { processes: 9 }), 'fail', /^9 × 11/],
  ['nobody connected counts as one', primary({ clients: clients(0) }), 'pass', /^1 × 11/],
  ['a promotion takes one more', facts({ failover: { mode: 'promote' } }), 'pass', /^2 × 12 connections/],
]);

table('pool-tuning', [
  ['near', sound, 'pass', /min_connections is 2; recommended: 2 \(4 cores \/ 2\)/],
  [
    'few kept open',
    facts({}, { cores: 16 }),
    'warn',
    /min_connections is 2; recommended: 8 \(16 cores \/ 2\)/,
    /about 8/,
  ],
  [
    'many',
    facts({ connectionPool: { maxConnections: 40, minConnections: 2 } }),
    'warn',
    /max_connections is 40; recommended: 17 \(max_worker_processes 8 × 2 \+ 1\)/,
  ],
  [
    'bounded by the server',
    primary({ clients: clients(30) }),
    'warn',
    /max_connections is 10; recommended: 2 \(what the server has room for in 30 processes\)/,
  ],
]);

table('tls', [
  ['verified', sound, 'pass', /^TLSv1.3, certificate and name verified$/],
  ['off', as('db1', { tls: null }, ssl(false)), 'fail', /plain text/, /ssl: true/],
  ['any certificate', ssl({ rejectUnauthorized: false }), 'warn', /any certificate/, /verify-full/],
  ['the authority alone', ssl({ mode: 'verify-ca' }), 'warn', /but not its name/, /verify-full/],
  ['off behind a pooler', as('db2', { tls: null }), 'warn', /as far as a pooler/],
  [
    'on this machine',
    as(
      'db1',
      { tls: null },
      facts({ masters: [{ host: '127.0.0.1', name: 'db1', user: 'app', database: 'shop' }] }),
    ),
    'warn',
    /on this machine/,
  ],
  [
    'a Unix socket',
    as(
      'db1',
      { tls: null },
      facts({
        masters: [{ host: '/run/postgresql', name: 'db1', user: 'app', database: 'shop' }],
        replicas: [],
      }),
    ),
    'pass',
    /Unix socket/,
  ],
]);

table('read-only-account', [
  ['reads', sound, 'pass', /^reader in shop can only read$/],
  [
    'writes',
    as('db3', { powers: ['it may write 3 tables or sequences, such as orders', 'it may create roles'] }),
    'fail',
    /3 tables or sequences, such as orders; it may create roles/,
    /pg_read_all_data/,
  ],
  [
    'nobody to ask',
    ['db2', 'db3'].reduce((given, name) => withNode(given, name, { account: { unseen: '' } }), sound),
    'warn',
    /no replica could be asked/,
  ],
]);

table('timeouts', [
  ['all set', sound, 'pass', /./],
  [
    'no limit for statements',
    as('db1', { statementTimeoutMs: 0 }),
    'warn',
    /statement_timeout none/,
    /statement_timeout/,
  ],
  [
    'no limit for idle transactions',
    as('db1', { idleInTransactionTimeoutMs: 0 }),
    'warn',
    /idle_in_transaction_session_timeout none/,
    /ALTER ROLE app/,
  ],
  [
    'quiet for longer than a box bears',
    facts({ connectionPool: { keepaliveInterval: '10m', idleTimeout: '15m' } }),
    'fail',
    /after 10 min; a box in between forgets it after 5\.8 min/,
    /keepalive_interval below/,
  ],
  ['a box that forgets sooner', facts({}, { middleboxTimeoutMs: 20_000 }), 'fail', /forgets it after 20 s/],
  [
    'patient with dead servers',
    facts({ connectionPool: { connectionTimeout: '30s' } }),
    'warn',
    /^connect 30 s/,
    /connection_pool\.connection_timeout/,
  ],
]);

const { metrics: _, ...unmeasured } = sound;
table('metrics', [
  ['there', sound, 'pass', /has db_pool_size/],
  ['not given', unmeasured, 'warn', /not looked at/, /--metrics-url/],
  [
    'no answer',
    facts({}, { metrics: { url: 'http://app/metrics', unseen: 'connect ECONNREFUSED' } }),
    'fail',
    /does not answer: connect/,
  ],
  [
    'refused',
    facts({}, { metrics: { url: 'http://app/metrics', status: 401, hasPoolSize: false } }),
    'fail',
    /status 401/,
  ],
  [
    'of something else',
    facts({}, { metrics: { url: 'http://app/metrics', status: 200, hasPoolSize: false } }),
    'fail',
    /no db_pool_size/,
    /PgMcpMetricsModule/,
  ],
]);

table('wal-level', [
  ['enough', sound, 'pass', /^wal_level replica, max_wal_senders 10$/],
  ['for logical replication too', primary({ parameters: { wal_level: 'logical' } }), 'pass', /./],
  ['too little', primary({ parameters: { wal_level: 'minimal' } }), 'fail', /minimal/],
  ['too few senders', replica({ parameters: { max_wal_senders: '1' } }), 'fail', /senders 1/, /at least 2/],
]);

const MIB = 1024 * 1024;
const idle = slot({ name: 'gone', active: false, retainedBytes: 300 * MIB });
table('replication-slots', [
  ['used and bounded', sound, 'pass', /^2 in use, bounded$/],
  [
    'used without a limit',
    primary({ parameters: { max_slot_wal_keep_size: '-1' } }),
    'warn',
    /without a limit/,
  ],
  [
    'unused and bounded',
    primary({ slots: [idle] }),
    'warn',
    /gone is used by nobody and holds 300 MiB/,
    /drop/,
  ],
  [
    'unused without a limit',
    primary({ slots: [idle], parameters: { max_slot_wal_keep_size: '-1' } }),
    'fail',
    /fills the disk/,
  ],
  [
    'the same on a standby',
    replica({ slots: [idle], parameters: { max_slot_wal_keep_size: '-1' } }),
    'warn',
    /gone is used by nobody/,
  ],
  ['lost', primary({ slots: [slot({ walStatus: 'lost' })] }), 'fail', /has lost log/, /clone/],
  [
    'none, but log is kept',
    primary({ slots: [], parameters: { wal_keep_size: '512' } }),
    'pass',
    /keeps 512 MiB/,
  ],
  ['none, and no log is kept', primary({ slots: [] }), 'warn', /cloned anew/],
]);

table('hot-standby-feedback', [
  ['on', sound, 'pass', /^on/],
  ['off', replica({ parameters: { hot_standby_feedback: 'off' } }), 'warn', /^off/, /= on/],
]);

const delayed = (ms: string) => replica({ parameters: { max_standby_streaming_delay: ms } });
table('standby-delay', [
  ['within the lag', sound, 'pass', /5 s, within routing\.max_lag of 10 s/],
  ['beyond it', delayed('30000'), 'warn', /30 s, over routing\.max_lag of 10 s/],
  ['none', delayed('0'), 'warn', /every conflict/],
  ['without end', delayed('-1'), 'warn', /for ever/],
]);

const names = (setting: string, more: Parameters<typeof server>[1] = {}) =>
  primary({ ...more, parameters: { synchronous_standby_names: setting, ...more?.parameters } });
table('synchronous-standbys', [
  ['all listed are there, but for the primary itself', sound, 'pass', /connected: db2, db3$/],
  ['anybody', names('*'), 'pass', /'\*'/],
  ['in other letters', names('ANY 1 (DB2, "Db3")'), 'pass', /./],
  ['asynchronous', names(''), 'warn', /may lose writes/, /ANY 1/],
  ['nobody listed is there', names('FIRST 1 (east, west)'), 'fail', /asks for 1, and 0 match.*wait for ever/],
  ['too few', names('ANY 3 (db1, db2, db3)'), 'fail', /asks for 3, and 2 match/, /application_name/],
  ['one that is not listed', names('db2'), 'warn', /db3 can't be synchronous/],
  ['one that is not there', names('ANY 1 (db1, db2, db3, db4)'), 'warn', /not connected: db4/],
  [
    'the primary under a name of its own',
    names('ANY 1 (db2, db3, one)', { parameters: { cluster_name: 'one' } }),
    'pass',
    /./,
  ],
  ['no waiting', names('*', { parameters: { synchronous_commit: 'local' } }), 'warn', /does not wait/],
]);

const clock = (aheadMs: number, uncertaintyMs = 1) => replica({ clock: { aheadMs, uncertaintyMs } });
table('clock', [
  ['in step', sound, 'pass', /^3 ms ahead of this machine/],
  ['off, but for a slow trip', clock(900, 600), 'pass', /./],
  ['behind', clock(-2_000), 'warn', /^2 s behind this machine/, /NTP/],
  ['far off', clock(60_000), 'fail', /^1 min ahead/],
]);

table('pooler', [
  ['none', sound, 'pass', /none/],
  ['one', primary({ isPooled: true }), 'warn', /PgBouncer/, /max_prepared_statements/],
]);

const promote = (given: Partial<Parameters<typeof facts>[0]> = {}) =>
  facts({ ...given, failover: { mode: 'promote', ...given?.failover } });
const lacking = (list: 'needed' | 'useful') =>
  withNode(promote(), 'db2', {
    rights: {
      database: 'postgres',
      needed: [],
      useful: [],
      [list]: [{ what: 'pg_promote', remedy: 'GRANT EXECUTE ON FUNCTION pg_promote TO m' }],
    },
  });
const patroni = (given: Facts['patroni']) =>
  facts(
    { failover: { mode: 'patroni', patroni: { urls: ['http://db1:8008'] } } },
    given === undefined ? {} : { patroni: given },
  );
table('failover-rights', [
  ['follow needs none', sound, 'pass', /needs none/],
  ['follow sees less without pg_monitor', replica({ isMonitor: false }), 'warn', /no member of pg_monitor/],
  ['may promote', promote(), 'pass', /may promote/],
  ['may not', lacking('needed'), 'fail', /nothing can be promoted: it lacks pg_promote/, /GRANT EXECUTE/],
  ['may promote but not fence', lacking('useful'), 'warn', /^it lacks pg_promote/, /GRANT EXECUTE/],
  [
    'could not be asked',
    withNode(promote(), 'db3', { rights: { unseen: 'no such database' } }),
    'fail',
    /could not be asked: no such database/,
  ],
  ['too few for a majority', promote({ replicas: [] }), 'fail', /never is a majority/],
  ['without one', promote({ failover: { withoutQuorum: true } }), 'warn', /two primaries/],
  [
    'a receiver that waits long',
    withNode(promote(), 'db2', {
      server: server('replica', { parameters: { wal_receiver_timeout: '60000' } }),
    }),
    'warn',
    /wal_receiver_timeout is 1 min/,
  ],
  ['Patroni leads', patroni({ members: 3, leader: 'db1' }), 'pass', /3 members, leader db1/],
  ['Patroni knows others', patroni({ members: 2, leader: 'db1' }), 'warn', /3 nodes are configured/],
  ['Patroni has no leader', patroni({ members: 3, leader: undefined }), 'fail', /leader none/],
  ['Patroni does not answer', patroni({ unseen: 'db1:8008: no answer' }), 'fail', /db1:8008: no answer/],
]);

const file = (plainSecrets: readonly string[]): Facts => ({
  ...sound,
  settings: { ...sound.settings, source: 'db_cluster.json', plainSecrets },
});
table('secrets', [
  ['from TypeScript', sound, 'pass', /no file/],
  ['none in the file', file([]), 'pass', /none in plain text/],
  ['one in the file', file(['masters[0].password']), 'fail', /masters\[0\]\.password/, /encrypt/],
]);
