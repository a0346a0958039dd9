import { describe, expect, it, test } from 'vitest';
import { loadSettings, type ClusterOptions } from '../../lib/config/index.js';
import { explanation } from '../../lib/execution/route-explanation.js';
import type { Floor } from '../../lib/routing/route.js';
import type { StatementClass } from '../../lib/routing/statement/statement-class.js';
import { Scene } from '../topology/scene.js';

const CONFIG = { masters: [{ host: 'a', port: 5432, user: 'app', password: 'secret', database: 'app' }] };

const READ: StatementClass = { kind: 'read', changesCatalog: false };
const WRITE: StatementClass = {
  kind: 'primary',
  reason: 'volatile-function',
  detail: 'touch()',
  writes: true,
  changesCatalog: false,
};
const SETTING: StatementClass = {
  kind: 'session',
  reason: 'setting',
  detail: 'SET',
  remedy: 'use getConnection()',
  changesCatalog: false,
};

const onTimeline = { replayTimeline: 1 };
const up = () => new Scene().primary('a', 500).replica('b', 500, onTimeline).replica('c', 400, onTimeline);
const oneReplica = () => up().failed('c', 3);
const noReplica = () => oneReplica().failed('b', 3);
const noPrimary = () => up().failed('a', 3);
const at = (lsn: number, timeline = 1): Floor => ({ timeline, lsn: BigInt(lsn) });

interface Case {
  readonly found?: StatementClass;
  readonly scene?: () => Scene;
  readonly options?: ClusterOptions;
  readonly floor?: Floor;
}

const onA = { target: 'primary', node: 'a' };

describe('the explanation', () => {
  test.each<[string, Case, object]>([
    [
      'of a write says what in it it is',
      { found: WRITE },
      { ...onA, reason: 'volatile-function', detail: 'touch()' },
    ],
    [
      'of a write without a primary names no node',
      { found: WRITE, scene: noPrimary },
      { target: 'primary', reason: 'volatile-function', detail: 'touch()' },
    ],
    [
      'of a session statement says what to use instead',
      { found: SETTING },
      { ...onA, reason: 'setting', detail: 'use getConnection()' },
    ],
    ['of a read names no node where several may serve', {}, { target: 'replica', reason: 'read' }],
    [
      'of a read names the only one that may',
      { scene: oneReplica },
      { target: 'replica', reason: 'read', node: 'b' },
    ],
    ['of a read without a replica', { scene: noReplica }, { ...onA, reason: 'no-replica' }],
    ['of a read without a primary', { scene: noPrimary }, { target: 'replica', reason: 'read' }],
    [
      'of a read, by default to the primary',
      { options: { routing: { default: 'primary' } } },
      { ...onA, reason: 'undecorated' },
    ],
    [
      'of a read in shadow mode',
      { options: { routing: { mode: 'shadow' } } },
      { ...onA, reason: 'shadow', detail: 'a replica could serve it' },
    ],
    [
      'of a read, by default to the primary and in shadow mode',
      { options: { routing: { default: 'primary', mode: 'shadow' } } },
      { ...onA, reason: 'undecorated' },
    ],
    ['of a strong read', { options: { consistency: 'strong' } }, { ...onA, reason: 'strong' }],
    [
      'of a write in shadow mode, strong',
      { found: WRITE, options: { consistency: 'strong', routing: { mode: 'shadow' } } },
      { ...onA, reason: 'volatile-function', detail: 'touch()' },
    ],
    [
      'of a read of a session whose write one replica has',
      { floor: at(500) },
      { target: 'replica', reason: 'read', node: 'b' },
    ],
    [
      'of a read of a session whose write no replica has',
      { floor: at(501) },
      { ...onA, reason: 'behind-session' },
    ],
    [
      'of a read of a session whose write is on another timeline',
      { floor: at(1, 2) },
      { ...onA, reason: 'behind-session' },
    ],
    [
      'of a read of a session whose write is not sampled',
      { floor: 'unsampled' },
      { ...onA, reason: 'behind-session' },
    ],
    [
      'of a read of a session that is ahead of all that is known',
      { floor: 'ahead' },
      { ...onA, reason: 'behind-session' },
    ],
    [
      'of a read of a session that has written, without a replica',
      { floor: at(500), scene: noReplica },
      { ...onA, reason: 'no-replica' },
    ],
  ])('%s', (_, { found = READ, scene = up, options = {}, floor }, expected) => {
    const settings = loadSettings(CONFIG, options);
    expect(explanation(found, settings, scene().topology, floor)).toEqual(expected);
  });

  it('is fit for JSON', () => {
    const settings = loadSettings(CONFIG);
    const told = explanation(WRITE, settings, noPrimary().topology);
    expect(JSON.parse(JSON.stringify(told))).toEqual(told);
  });
});
