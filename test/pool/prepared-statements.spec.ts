import { beforeEach, describe, expect, test } from 'vitest';
import { KnownText, KnownTexts } from '../../lib/pool/known-texts.js';
import { PreparedStatements, type PreparingConnection } from '../../lib/pool/prepared-statements.js';
import { seeded } from '../support/seeded.js';
import { sure } from '../support/sure.js';

const COLUMNS = {
  fields: [
    {
      name: 'a',
      dataTypeID: 23,
      tableID: 0,
      columnID: 0,
      dataTypeSize: 4,
      dataTypeModifier: -1,
      format: 'text',
    },
  ],
  emptyRow: { a: null },
};

/** Kept for one connection. */
const MOST = 768;

let connection: PreparingConnection;
let closed: string[];
let prepared: PreparedStatements;

beforeEach(() => {
  connection = { parsedStatements: {}, submittedNamedStatements: {} };
  closed = [];
  prepared = new PreparedStatements(connection, (name) => closed.push(name));
  prepared.hasOneServer = true;
});

const text = (id: number) => new KnownText(`SELECT ${id}`);

/** A connection is full of statements that do not come any more; and one more text comes all the time. */
function fill(): { readonly names: readonly string[]; readonly next: () => KnownText } {
  const texts = new KnownTexts({ prepare: true });
  const use = (id: number) => {
    const known = texts.of(`SELECT ${id}`);
    known.used();
    return known;
  };
  const all = Array.from({ length: MOST }, (_, id) => use(id));
  const names = all.map(prepare);
  let last = MOST;
  const next = () => {
    const id = last++;
    for (let time = 0; time < 3; time++) use(id);
    return texts.of(`SELECT ${id}`);
  };
  return { names, next };
}

/** What happens on the wire when a text is sent and the server prepares it. */
function prepare(known: KnownText): string {
  const name = sure(prepared.nameOf(known));
  prepared.sent(name, known.text);
  arrives(name, known);
  return name;
}

function arrives(name: string, known: KnownText): void {
  delete connection.submittedNamedStatements[name];
  connection.parsedStatements[name] = known.text;
}

describe('a name', () => {
  test('is the text’s own, at each call', () => {
    const one = text(1);
    expect(prepare(one)).toBe(one.name);
    expect(prepared.nameOf(one)).toBe(one.name);
    expect(prepared.textOf(one.name)).toBe(one.text);
    expect(closed).toEqual([]);
  });

  test('is none while it is not known whether the server has come to prepare it', () => {
    const one = text(1);
    prepared.sent(sure(prepared.nameOf(one)), one.text);
    expect(prepared.nameOf(one)).toBeUndefined();
    expect(prepared.textOf(one.name)).toBeUndefined();
    arrives(one.name, one);
    expect(prepared.nameOf(one)).toBe(one.name);
  });

  test('that did not come to be prepared is tried again', () => {
    const one = text(1);
    prepared.sent(sure(prepared.nameOf(one)), one.text);
    prepared.forget(one.name);
    expect(prepared.nameOf(one)).toBe(one.name);
    expect(closed).toEqual([]);
  });

  test(`makes room beyond ${MOST}: one that is out of use is closed, and only that`, () => {
    const { names, next } = fill();
    expect(closed).toEqual([]);
    const first = prepare(next());
    expect(closed).toEqual([names[0]]);
    expect([0, 1].map((id) => prepared.textOf(sure(names[id])))).toEqual([undefined, text(1).text]);
    const second = prepare(next());
    expect(closed).toEqual([names[0], names[1]]);
    expect([first, second].map((name) => prepared.textOf(name))).toEqual(
      [MOST, MOST + 1].map((id) => text(id).text),
    );
  });

  test('does not come again after it was closed: answers to it may still be on their way', () => {
    const { names, next } = fill();
    prepare(next());
    const [closedName] = closed;
    prepared.forgetAll();
    const again = prepare(text(0));
    expect([closedName, names.includes(again)]).toEqual([names[0], false]);
    expect(again.startsWith(sure(names[0]))).toBe(true);
    expect(Buffer.byteLength(again)).toBeLessThanOrEqual(63);
  });

  test('is given in the place of one that had to be renewed', () => {
    const { names, next } = fill();
    prepared.renew(text(5).text, sure(names[5]));
    expect(closed).toEqual([names[5]]);
    prepare(next());
    expect(closed).toEqual([names[5]]);
    prepare(next());
    expect(closed).toHaveLength(2);
  });
});

describe('where more texts come again than there is room for', () => {
  let texts: KnownTexts;

  beforeEach(() => {
    texts = new KnownTexts({ prepare: true });
  });

  /** How many go under a name. */
  function call(ids: Iterable<number>): number {
    let named = 0;
    for (const id of ids) {
      const known = texts.of(`SELECT ${id}`);
      known.used();
      const name = known.isRepeated ? prepared.nameOf(known) : undefined;
      if (name === undefined) continue;
      named++;
      if (prepared.textOf(name) !== undefined) continue;
      prepared.sent(name, known.text);
      arrives(name, known);
    }
    return named;
  }

  const range = (from: number, count: number) => Array.from({ length: count }, (_, index) => from + index);

  test.each([MOST + 1, 1_000, 10_000])(
    'of %i in turn as many as there is room for stay prepared',
    (count) => {
      const all = range(0, count);
      expect(call(all)).toBe(0);
      for (let turn = 0; turn < 3; turn++) expect(call(all)).toBe(MOST);
      expect(closed).toEqual([]);
    },
  );

  test('those that come clearly more often than another take its place, and no others do', () => {
    const all = range(0, MOST);
    for (let turn = 0; turn < 2; turn++) call(all);
    const [often, alike, seldom] = [range(5_000, 10), range(5_500, 10), range(6_000, 3 * MOST)];
    for (let turn = 0; turn < 3; turn++) call(often);
    expect(closed).toHaveLength(often.length);
    for (let turn = 0; turn < 3; turn++) {
      expect(call(often)).toBe(often.length);
      call([...all, ...alike]);
    }
    const before = closed.length;
    call(seldom);
    expect(closed).toHaveLength(before);
  });

  test('of those that come at random, hardly any change places', () => {
    const random = seeded(1);
    for (let turn = 0; turn < 5; turn++) call(range(0, 1_000));
    const calls = 20_000;
    const named = call(Array.from({ length: calls }, () => Math.floor(random() * 1_000)));
    expect(named / calls).toBeGreaterThan(0.7);
    expect(closed.length / calls).toBeLessThan(0.08);
  });

  test('all give way once they are out of use', () => {
    for (let turn = 0; turn < 2; turn++) call(range(0, MOST));
    for (let turn = 0; turn < 3; turn++) call(range(5_000, MOST));
    expect(call(range(5_000, MOST))).toBe(MOST);
    expect(closed).toHaveLength(MOST);
  });
});

describe('a statement that does not serve any more', () => {
  test('gets another name, once for all calls that failed with it', () => {
    const one = text(1);
    const first = prepare(one);
    prepared.keepColumns(first, COLUMNS);
    prepared.renew(one.text, first);
    prepared.renew(one.text, first);
    expect(closed).toEqual([first]);
    expect([prepared.textOf(first), prepared.columnsOf(first)]).toEqual([undefined, undefined]);
    const second = prepare(one);
    expect(second).not.toBe(first);
    prepared.renew(one.text, first);
    expect([prepared.nameOf(one), closed]).toEqual([second, [first]]);
  });

  test('leaves the others alone', () => {
    const [one, other] = [text(1), text(2)];
    prepare(other);
    prepared.renew(one.text, prepare(one));
    expect(prepared.nameOf(other)).toBe(other.name);
  });
});

test('columns are kept by name, and go with it', () => {
  const { names, next } = fill();
  const [name] = names;
  expect(prepared.columnsOf(sure(name))).toBeUndefined();
  prepared.keepColumns(sure(name), COLUMNS);
  expect(prepared.columnsOf(sure(name))).toBe(COLUMNS);
  prepare(next());
  expect(prepared.columnsOf(sure(name))).toBeUndefined();
});

test('columns are not kept where several servers may answer', () => {
  const name = prepare(text(1));
  prepared.hasOneServer = false;
  prepared.keepColumns(name, COLUMNS);
  expect(prepared.columnsOf(name)).toBeUndefined();
});

test('when the server has dropped all, nothing is closed, nothing is believed, and the names are new', () => {
  const [one, other] = [text(1), text(2)];
  const names = [prepare(one), prepare(other)];
  prepared.keepColumns(sure(names[0]), COLUMNS);
  prepared.forgetAll();
  expect(closed).toEqual([]);
  expect([connection.parsedStatements, connection.submittedNamedStatements]).toEqual([{}, {}]);
  expect(prepared.columnsOf(sure(names[0]))).toBeUndefined();
  expect(names).not.toContain(prepare(one));
});
