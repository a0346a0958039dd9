import { ManualClock } from 'nestjs-pg-mcp/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StatementClasses } from '../../lib/execution/statement-classes.js';
import type { Queryable, QueryResult } from '../../lib/query.js';
import { ENVIRONMENT, FINGERPRINT, functions } from '../../lib/routing/catalog/queries.js';
import { sure } from '../support/sure.js';

const DDL = { kind: 'primary', reason: 'ddl' } as const;
const KNOWS = 'SELECT touch()';

/** A primary whose catalog has nothing but the functions it is told of. */
class Primary implements Queryable {
  /** When it was asked for its fingerprint, and when for everything: `look 0`, `load 0`. */
  readonly trace: string[] = [];
  fingerprint = '1';
  functions = ['touch'];
  failure: Error | undefined;
  /** What it is asked waits, while set. */
  held: (() => void)[] | undefined;
  most = 0;
  readonly #clock: ManualClock;
  #running = 0;

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  async query<R>(text: string): Promise<QueryResult<R>> {
    if (text === FINGERPRINT) this.trace.push(`look ${this.#clock.now()}`);
    if (text === ENVIRONMENT) this.trace.push(`load ${this.#clock.now()}`);
    this.most = Math.max(this.most, ++this.#running);
    if (this.held) await new Promise<void>((go) => this.held?.push(go));
    this.#running--;
    if (this.failure) throw this.failure;
    const rows = this.#rows(text) as R[];
    return { rows, rowCount: rows.length, command: 'SELECT', fields: [] };
  }

  /** Answers what waits, and what is asked from now on. */
  letGo(): void {
    const waiting = this.held ?? [];
    this.held = undefined;
    for (const go of waiting) go();
  }

  /** Another process creates that function. */
  create(name: string): void {
    this.functions.push(name);
    this.fingerprint += '+';
  }

  #rows(text: string): unknown[] {
    if (text === FINGERPRINT) return [{ fingerprint: this.fingerprint }];
    if (text === ENVIRONMENT) return [{ version: '180000', path: '["public"]', standard_strings: 1 }];
    if (text === functions('own')) return this.functions.map(functionRow);
    return [];
  }
}

const functionRow = (name: string, index: number) => ({
  oid: String(20_000 + index),
  schema: 'public',
  name,
  volatility: 'i',
  kind: 'f',
  arguments: 0,
  defaults: 0,
  variadic: 0,
  types: '',
  language: 'c',
});

let clock: ManualClock;
let primary: Primary;
let classes: StatementClasses;
const warnings = vi.spyOn(process, 'emitWarning');

beforeEach(() => {
  clock = new ManualClock();
  primary = new Primary(clock);
  classes = new StatementClasses({ clock, options: {}, primary });
  warnings.mockReset().mockImplementation(() => {});
});
afterEach(() => classes.stop());

const classify = (text = KNOWS) => {
  const found = classes.classify(text);
  return found.kind === 'read' ? 'read' : found.reason;
};

/** Asks for a text again and again, for so long. */
async function askEvery(ms: number, forMs: number, text: string): Promise<void> {
  for (let passed = 0; passed < forMs; passed += ms) {
    classify(text);
    await clock.advance(ms);
  }
}

async function started(): Promise<void> {
  await classes.start();
  primary.trace.length = 0;
}

describe('statements', () => {
  it('are for the primary before it is connected', () => {
    expect(classify('SELECT 1')).toBe('unknown-name');
    expect(classes.searchPath).toBeUndefined();
  });

  it('are known by the catalog once it has started', async () => {
    await classes.start();
    expect([classify(), classify('SELECT nowhere()'), classes.searchPath]).toEqual([
      'read',
      'unknown-name',
      '["public"]',
    ]);
    expect(primary.trace).toEqual(['look 0', 'load 0']);
  });

  it('that a replica refused are kept until definitions change', async () => {
    await started();
    classes.keepFromReplicas(KNOWS);
    expect(classify()).toBe('refused-on-standby');
    await classes.refresh();
    expect(classify()).toBe('refused-on-standby');
    primary.create('other');
    await classes.refresh();
    expect(classify()).toBe('read');
  });
});

describe('a refresh', () => {
  it('looks, and reads all only where something has changed', async () => {
    await started();
    await classes.refresh();
    expect(primary.trace).toEqual(['look 0']);
    primary.create('other');
    await classes.refresh();
    expect(primary.trace).toEqual(['look 0', 'look 0', 'look 0', 'load 0']);
    expect(classify('SELECT other()')).toBe('read');
  });

  it('is one at a time, with one more look for all who asked during it', async () => {
    await started();
    primary.held = [];
    const first = classes.refresh();
    await clock.advance(0);
    const others = [classes.refresh(), classes.refresh(), classes.refresh()];
    primary.create('other');
    primary.letGo();
    await Promise.all([first, ...others]);
    expect(primary.most).toBe(1);
    // The first look found the change, and so read all; the second is for those who asked meanwhile.
    expect(primary.trace).toEqual(['look 0', 'look 0', 'load 0', 'look 0']);
  });

  it('tells who asked of its failure', async () => {
    await started();
    primary.failure = new Error('gone');
    await expect(classes.refresh()).rejects.toThrow('gone');
    primary.failure = undefined;
    await expect(classes.refresh()).resolves.toBeUndefined();
  });
});

describe('a look', () => {
  it('is taken every 30 s', async () => {
    await started();
    primary.create('other');
    await clock.advance(29_999);
    expect(classify('SELECT other()')).toBe('unknown-name');
    primary.trace.length = 0;
    await clock.advance(60_001);
    expect(primary.trace.filter((entry) => entry.startsWith('load'))).toHaveLength(1);
    expect(classify('SELECT other()')).toBe('read');
  });

  it('is all there is to it while nobody asks for unknown names', async () => {
    await started();
    await askEvery(1_000, 90_000, KNOWS);
    expect(primary.trace).toEqual(['look 30000', 'look 60000', 'look 90000']);
  });

  it('is asked for by unknown names once a second at most, then less and less often', async () => {
    await started();
    await askEvery(100, 100_000, 'SELECT nowhere()');
    expect(primary.trace).toEqual([
      'look 1000',
      'look 3000',
      'look 7000',
      'look 15000',
      'look 31000',
      'look 61000',
      'look 91000',
    ]);
  });

  it('is taken within a second again once one has found a change', async () => {
    await started();
    await askEvery(100, 8_000, 'SELECT other()');
    primary.create('other');
    await askEvery(100, 8_000, 'SELECT other()');
    expect(classify('SELECT other()')).toBe('read');
    primary.trace.length = 0;
    await askEvery(100, 1_000, 'SELECT nowhere()');
    expect(primary.trace).toEqual(['look 16000']);
  });

  it('is asked for at once by a name that is met long after the last', async () => {
    await started();
    await clock.advance(29_000);
    primary.create('other');
    classify('SELECT other()');
    await clock.advance(0);
    expect(classify('SELECT other()')).toBe('read');
  });

  it('is asked for soon by a name that is met after a long time without any', async () => {
    await started();
    await clock.advance(600_000);
    primary.create('other');
    classify('SELECT other()');
    await clock.advance(2_000);
    expect(classify('SELECT other()')).toBe('read');
  });

  it('is not lost to one under way that began too early', async () => {
    await started();
    primary.held = [];
    await clock.advance(30_000);
    // This one has its answer on the way when the name is met.
    classify('SELECT other()');
    primary.letGo();
    await clock.advance(0);
    primary.create('other');
    await clock.advance(2_000);
    expect(classify('SELECT other()')).toBe('read');
  });

  it('is asked for after what may have changed definitions', async () => {
    await started();
    classes.ran({ kind: 'primary', reason: 'procedure' });
    expect(classify()).toBe('read');
    await clock.advance(1_000);
    expect(primary.trace).toEqual(['look 1000']);
  });

  it.each(['write', 'transaction'] as const)(
    'is taken at once after a definition beside something that is %s',
    async (reason) => {
      await started();
      classes.ran({ kind: 'primary', reason });
      expect(classify()).not.toBe('read');
      await clock.advance(0);
      expect([primary.trace, classify()]).toEqual([['look 0'], 'read']);
    },
  );

  it('is taken no more after the stop', async () => {
    await started();
    classify('SELECT nowhere()');
    classes.stop();
    classify('SELECT nowhere()');
    classes.ran(DDL);
    await clock.advance(100_000);
    expect([primary.trace, clock.pending]).toEqual([[], 0]);
  });
});

describe('a definition of this process', () => {
  it('makes names mean nothing until the catalog is read, which is at once', async () => {
    await started();
    primary.held = [];
    classes.ran(DDL);
    expect([classify(), classify('SELECT 1')]).toEqual(['unknown-name', 'unknown-name']);
    await clock.advance(0);
    expect([classify(), classify('SELECT 1')]).toEqual(['unknown-name', 'unknown-name']);
    primary.letGo();
    await clock.advance(0);
    expect([classify(), classify('SELECT 1')]).toEqual(['read', 'read']);
  });

  it('that has changed nothing costs a look', async () => {
    await started();
    classes.ran(DDL);
    await clock.advance(0);
    expect(primary.trace).toEqual(['look 0']);
    expect(classify()).toBe('read');
    await clock.advance(30_000);
    expect(primary.trace.slice(1)).toEqual(['look 30000']);
  });

  it('while the catalog is read has it read once more, and nothing of the first is used', async () => {
    await started();
    primary.create('other');
    primary.held = [];
    const refreshing = classes.refresh();
    await clock.advance(0);
    // The look has its answer; what follows is the load.
    const [look] = primary.held;
    sure(look)();
    await clock.advance(0);
    classes.ran(DDL);
    primary.letGo();
    await refreshing;
    const loads = primary.trace.filter((entry) => entry.startsWith('load'));
    expect([loads, classify('SELECT other()')]).toEqual([['load 0', 'load 0'], 'read']);
  });
});

describe('a look that fails', () => {
  it('leaves what was known, and is taken again every second', async () => {
    await started();
    primary.failure = new Error('gone');
    await clock.advance(33_000);
    expect(primary.trace).toEqual(['look 30000', 'look 31000', 'look 32000', 'look 33000']);
    expect([classify(), classify('SELECT 1')]).toEqual(['read', 'read']);
    primary.failure = undefined;
    await clock.advance(31_000);
    expect(primary.trace.slice(4)).toEqual(['look 34000', 'look 64000']);
  });

  it('is told once', async () => {
    await started();
    primary.failure = new Error('permission denied');
    await clock.advance(100_000);
    expect(warnings.mock.calls).toEqual([[expect.stringMatching(/can't be read.*permission denied/)]]);
  });

  it('at the start keeps nobody from starting: all is for the primary until one succeeds', async () => {
    primary.failure = new Error('gone');
    await classes.start();
    expect([classify(), classify('SELECT 1')]).toEqual(['unknown-name', 'unknown-name']);
    primary.failure = undefined;
    await clock.advance(1_000);
    expect([classify(), classify('SELECT 1')]).toEqual(['read', 'read']);
  });

  it('is not put off by names that have been asked for in vain for long', async () => {
    await started();
    await askEvery(1_000, 100_000, 'SELECT nowhere()');
    primary.failure = new Error('gone');
    classes.ran(DDL);
    await clock.advance(0);
    primary.failure = undefined;
    // Now every name is unknown.
    await askEvery(100, 1_000, KNOWS);
    expect(classify()).toBe('read');
  });
});
