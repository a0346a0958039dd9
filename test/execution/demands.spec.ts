import { ManualClock } from 'nestjs-pg-mcp/testing';
import { describe, expect, it, test } from 'vitest';
import type { ClusterOptions } from '../../lib/config/index.js';
import { loadSettings } from '../../lib/config/index.js';
import type { Demand } from '../../lib/execution/demand.js';
import { checkReplicaOptions, Demands } from '../../lib/execution/demands.js';
import { refuseTransactionControl } from '../../lib/execution/refusals.js';
import { KeptTexts } from '../../lib/execution/kept-texts.js';
import { ShadowCount } from '../../lib/execution/shadow-report.js';
import type { Consistency } from '../../lib/query.js';
import type { PrimaryReason, StatementClass } from '../../lib/routing/statement/statement-class.js';
import { NO_SCOPE, type ReplicaOptions, type Scope } from '../../lib/session/scope.js';
import { Session } from '../../lib/session/session.js';
import { newStickiness } from '../../lib/session/stickiness.js';

const CONFIG = { masters: [{ host: 'a', port: 5432, user: 'app', password: 'secret', database: 'app' }] };
const TEXT = 'the text';

const READ: StatementClass = { kind: 'read', changesCatalog: false };
const needsPrimary = (reason: PrimaryReason, writes = true): StatementClass => ({
  kind: 'primary',
  reason,
  detail: 'what it is',
  writes,
  changesCatalog: reason === 'ddl',
});
const WRITE = needsPrimary('write');
const SETTING: StatementClass = {
  kind: 'session',
  reason: 'setting',
  detail: 'SET',
  remedy: 'use getConnection()',
  changesCatalog: false,
};

function setting(options: ClusterOptions = {}) {
  const [clock, keptTexts, shadow] = [new ManualClock(), new KeptTexts(), new ShadowCount()];
  const settings = loadSettings(CONFIG, options);
  const demands = new Demands({ settings, clock, keptTexts, shadow });
  const session = new Session();
  const ask = (scope: Scope, found: StatementClass, consistency?: Consistency) =>
    demands.ofStatement(scope, session, { text: TEXT, ...(consistency && { consistency }) }, found);
  return { demands, session, clock, keptTexts, shadow, ask };
}

const MASTER: Scope = { ...NO_SCOPE, route: 'primary' };
const replicaScope = (replica: ReplicaOptions = {}): Scope => ({
  ...NO_SCOPE,
  route: 'replica',
  replica,
  stickiness: newStickiness(),
});

function view(demand: Demand): string {
  if (demand.target === 'primary') {
    const { reason, marks, mustNotWrite } = demand;
    return ['primary', reason, marks && 'marks', mustNotWrite && 'read-only'].filter(Boolean).join(' ');
  }
  const { reason, onUnavailable, maxLagMs, isBound, isVouched } = demand;
  return [
    'replica',
    reason,
    isBound && 'bound',
    isVouched && 'vouched',
    maxLagMs !== undefined && `within ${maxLagMs} ms`,
    onUnavailable !== 'primary' && `else ${onUnavailable}`,
  ]
    .filter(Boolean)
    .join(' ');
}

const UNSURE = ['volatile-function', 'unknown-name', 'not-parsed', 'sequence', 'code-block'] as const;
const SURE = ['write', 'ddl', 'row-lock'] as const;

interface Case {
  readonly scope?: Scope;
  readonly found?: StatementClass;
  readonly options?: ClusterOptions;
  readonly given?: Consistency;
  readonly is: string;
}

describe('a statement asks for', () => {
  const SHADOW: ClusterOptions = { routing: { mode: 'shadow' } };
  const PRIMARY: ClusterOptions = { routing: { default: 'primary' } };
  const bound = 'replica read bound vouched';
  const inReplica = 'replica use-replica bound vouched';
  test.each<[string, Case]>([
    ['undecorated: a read', { is: bound }],
    ['undecorated: a write', { found: WRITE, is: 'primary write marks' }],
    [
      'undecorated: what surely writes nothing, and is no read',
      { found: needsPrimary('node-state', false), is: 'primary node-state' },
    ],
    ...[...SURE, ...UNSURE].map((reason): [string, Case] => [
      `undecorated: ${reason}`,
      { found: needsPrimary(reason), is: `primary ${reason} marks` },
    ]),
    ['undecorated: a strong read', { given: 'strong', is: 'primary strong' }],
    ['undecorated: an eventual read', { given: 'eventual', is: 'replica read vouched' }],
    [
      'undecorated: a read, eventual by default',
      { options: { consistency: 'eventual' }, is: 'replica read vouched' },
    ],
    ['undecorated: a read, strong by default', { options: { consistency: 'strong' }, is: 'primary strong' }],
    [
      'undecorated: a session read over a strong default',
      { given: 'session', options: { consistency: 'strong' }, is: bound },
    ],
    ['undecorated: a strong write', { found: WRITE, given: 'strong', is: 'primary write marks' }],
    ['undecorated, by default to the primary: a read', { options: PRIMARY, is: 'primary undecorated' }],
    [
      'undecorated, by default to the primary: an eventual read',
      { options: PRIMARY, given: 'eventual', is: 'primary undecorated' },
    ],
    [
      'undecorated, by default to the primary: a write',
      { options: PRIMARY, found: WRITE, is: 'primary write marks' },
    ],
    ['undecorated, in shadow mode: a read', { options: SHADOW, is: 'primary shadow' }],
    ['undecorated, in shadow mode: a write', { options: SHADOW, found: WRITE, is: 'primary write marks' }],
    [
      'undecorated, in shadow mode by default to the primary: a read',
      { options: { routing: { mode: 'shadow', default: 'primary' } }, is: 'primary undecorated' },
    ],
    ['in a primary scope: a read', { scope: MASTER, is: 'primary use-master' }],
    ['in a primary scope: a write', { scope: MASTER, found: WRITE, is: 'primary use-master marks' }],
    [
      'in a primary scope: what is unsure',
      { scope: MASTER, found: needsPrimary('unknown-name'), is: 'primary use-master marks' },
    ],
    ['in a primary scope: an eventual read', { scope: MASTER, given: 'eventual', is: 'primary use-master' }],
    ['in a replica scope: a read', { scope: replicaScope(), is: inReplica }],
    ['in a replica scope: a read, in shadow mode', { scope: replicaScope(), options: SHADOW, is: inReplica }],
    [
      'in a replica scope: a read, by default to the primary',
      { scope: replicaScope(), options: PRIMARY, is: inReplica },
    ],
    ...UNSURE.map((reason): [string, Case] => [
      `in a replica scope: ${reason}`,
      { scope: replicaScope(), found: needsPrimary(reason), is: 'replica use-replica bound' },
    ]),
    [
      'in a replica scope: an eventual read',
      { scope: replicaScope(), given: 'eventual', is: 'replica use-replica vouched' },
    ],
    ['in a replica scope: a strong read', { scope: replicaScope(), given: 'strong', is: 'primary strong' }],
    [
      'in a replica scope: what is unsure, strong',
      {
        scope: replicaScope(),
        found: needsPrimary('sequence'),
        given: 'strong',
        is: 'primary strong read-only',
      },
    ],
    [
      'in an eventual replica scope',
      { scope: replicaScope({ consistency: 'eventual' }), is: 'replica use-replica vouched' },
    ],
    [
      'in an eventual replica scope: a session read',
      { scope: replicaScope({ consistency: 'eventual' }), given: 'session', is: inReplica },
    ],
    [
      'in a session replica scope over an eventual default',
      {
        scope: replicaScope({ consistency: 'session' }),
        options: { consistency: 'eventual' },
        is: inReplica,
      },
    ],
    [
      'in a replica scope, eventual by default',
      { scope: replicaScope(), options: { consistency: 'eventual' }, is: 'replica use-replica vouched' },
    ],
    ['in a strong replica scope', { scope: replicaScope({ consistency: 'strong' }), is: 'primary strong' }],
    [
      'in a replica scope with a bound on lag',
      { scope: replicaScope({ maxLag: '500ms' }), is: `${inReplica} within 500 ms` },
    ],
    [
      'in a replica scope with a bound in seconds',
      { scope: replicaScope({ maxLag: 0 }), is: `${inReplica} within 0 ms` },
    ],
    [
      'in a replica scope that waits',
      { scope: replicaScope({ onUnavailable: 'wait' }), is: `${inReplica} else wait` },
    ],
    [
      'in a replica scope that fails',
      { scope: replicaScope({ onUnavailable: 'fail' }), is: `${inReplica} else fail` },
    ],
  ])('%s', (_, { scope = NO_SCOPE, found = READ, options, given, is }) => {
    const { ask } = setting(options);
    expect(view(ask(scope, found, given))).toBe(is);
  });
});

describe('a connection for several statements asks for', () => {
  test.each<[string, Scope, 'primary' | 'replica', ClusterOptions, string]>([
    ['the primary', NO_SCOPE, 'primary', {}, 'primary use-master'],
    ['the primary, in a replica scope', replicaScope(), 'primary', {}, 'primary use-master'],
    ['a replica: nobody vouches for what follows', NO_SCOPE, 'replica', {}, 'replica use-replica bound'],
    [
      'a replica, by what its scope says',
      replicaScope({ onUnavailable: 'fail', maxLag: '1s', consistency: 'eventual' }),
      'replica',
      {},
      'replica use-replica within 1000 ms else fail',
    ],
    [
      'a replica, strong by default',
      NO_SCOPE,
      'replica',
      { consistency: 'strong' },
      'primary strong read-only',
    ],
  ])('%s', (_, scope, route, options, is) => {
    const { demands, session } = setting(options);
    expect(view(demands.ofConnection(scope, session, route))).toBe(is);
  });
});

describe('reads', () => {
  it('keep to one replica by their scope, and undecorated by their session', () => {
    const { ask, session } = setting();
    const scope = replicaScope();
    expect(ask(scope, READ)).toMatchObject({ stickiness: scope.stickiness, session });
    expect(ask(NO_SCOPE, READ)).toMatchObject({ stickiness: session.reads, session });
  });

  it('of a text that is kept go to the primary until its time is over', async () => {
    const { ask, clock, keptTexts } = setting();
    keptTexts.differed(TEXT, clock.now());
    expect(view(ask(NO_SCOPE, READ))).toBe('primary replica-differs');
    expect(view(ask(replicaScope(), READ))).toBe('replica use-replica bound vouched');
    await clock.advance(60_000);
    expect(view(ask(NO_SCOPE, READ))).toBe('replica read bound vouched');
  });

  test.each<[ClusterOptions, boolean]>([
    [{}, true],
    [{ consistency: 'eventual' }, true],
    [{ consistency: 'strong' }, false],
    [{ routing: { default: 'primary' } }, false],
    [{ routing: { mode: 'shadow' } }, false],
  ])('with %j may come from replicas without decoration: %s', (options, may) => {
    expect(setting(options).demands.readsFromReplicas).toBe(may);
  });
});

describe('shadow mode', () => {
  it('counts undecorated calls, and no others', () => {
    const { ask, shadow } = setting({ routing: { mode: 'shadow' } });
    ask(NO_SCOPE, READ);
    ask(NO_SCOPE, WRITE);
    ask(MASTER, WRITE);
    ask(replicaScope(), READ);
    expect(shadow.report).toMatchObject({ replica: 1, primary: 1 });
  });

  test.each<ClusterOptions>([{}, { routing: { mode: 'shadow', default: 'primary' } }])(
    'is off with %j',
    (options) => {
      const { ask, shadow } = setting(options);
      ask(NO_SCOPE, READ);
      expect(shadow.report).toEqual({ replica: 0, primary: 0, texts: [] });
    },
  );
});

describe('what is refused before it is sent', () => {
  const refusal = (call: () => unknown) => {
    try {
      return call();
    } catch (error) {
      return error;
    }
  };

  it.each([
    ['undecorated', NO_SCOPE],
    ['in a primary scope', MASTER],
    ['in a replica scope', replicaScope()],
  ])('a statement that needs its connection, %s, with what to use instead', (_, scope) => {
    expect(refusal(() => setting().ask(scope, SETTING))).toMatchObject({
      code: 'SESSION_STATEMENT',
      reason: 'setting',
      safeToRetry: true,
      message: 'SET would be lost: each call may run on another connection; use getConnection()',
    });
  });

  it.each(SURE)('%s in a replica scope, however consistent', (reason) => {
    for (const consistency of [undefined, 'strong'] as const) {
      const ask = () => setting().ask(replicaScope(), needsPrimary(reason), consistency);
      expect(refusal(ask)).toMatchObject({
        code: 'WRITE_ON_REPLICA',
        reason,
        safeToRetry: true,
        message: expect.stringContaining(`what it is (${reason})`),
      });
    }
  });

  it('a consistency that is none', () => {
    for (const scope of [NO_SCOPE, MASTER, replicaScope()])
      expect(() => setting().ask(scope, READ, 'sesion' as Consistency)).toThrow(
        `consistency: "sesion" is none of 'session', 'eventual', 'strong'`,
      );
  });

  it.each([
    [{ maxLag: 'soon' }, 'maxLag: no duration: "soon"'],
    [{ onUnavailable: 'wat' }, `onUnavailable: "wat" is none of`],
    [{ consistency: 'eventually' }, `consistency: "eventually" is none of`],
  ])('options of a replica scope: %j', (options, message) => {
    expect(() => checkReplicaOptions(options as ReplicaOptions)).toThrow(TypeError);
    expect(() => checkReplicaOptions(options as ReplicaOptions)).toThrow(message);
  });

  const control = (detail: string): StatementClass => ({
    ...SETTING,
    reason: 'transaction-control',
    detail,
  });

  it.each([
    ['BEGIN', control('BEGIN')],
    ['START', control('START')],
    ['COMMIT', control('COMMIT')],
    ['ROLLBACK', control('ROLLBACK')],
    ['PREPARE', control('PREPARE')],
    ['a whole transaction', needsPrimary('transaction')],
  ])('%s within transaction()', (_, found) => {
    expect(refusal(() => refuseTransactionControl(found))).toMatchObject({ code: 'SESSION_STATEMENT' });
  });

  it.each([
    ['SAVEPOINT', control('SAVEPOINT')],
    ['ROLLBACK TO', control('ROLLBACK TO')],
    ['RELEASE', control('RELEASE')],
    ['SET TRANSACTION', control('SET TRANSACTION')],
    ['SET', SETTING],
    ['a write', WRITE],
    ['a read', READ],
  ])('not %s within transaction()', (_, found) => {
    expect(refusal(() => refuseTransactionControl(found))).toBeUndefined();
  });
});
