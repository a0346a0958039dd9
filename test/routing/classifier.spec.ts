import { beforeAll, describe, expect, it } from 'vitest';
import { Catalog } from '../../lib/routing/catalog/catalog.js';
import { Classifier, type ClassifierOptions } from '../../lib/routing/classifier.js';
import { sure } from '../support/sure.js';
import { smallCatalog } from './small-catalog.js';

let classifier: Classifier;

async function withCatalog(options: ClassifierOptions = {}): Promise<Classifier> {
  const made = await Classifier.create(options);
  made.use(smallCatalog());
  return made;
}

beforeAll(async () => {
  classifier = await withCatalog();
});

/** The kind, or the reason where there is one. */
function verdict(text: string, by = classifier): string {
  const found = by.classify(text);
  return found.kind === 'read' ? 'read' : found.reason;
}

describe('a statement', () => {
  it.each([
    ['SELECT 1', 'read'],
    ['/* a comment */ SELECT 1', 'read'],
    ['((SELECT id FROM users))', 'read'],
    ['TABLE users', 'read'],
    ['VALUES (1)', 'read'],
    ['SELECT 1 FOR READ ONLY', 'read'],
    ['SELECT 1; SELECT 2', 'read'],
    ['COPY users TO STDOUT', 'read'],
    ['COPY (SELECT 1) TO STDOUT', 'read'],
    ['SHOW search_path', 'read'],
    ['SELECT random()', 'read'],
    ['WITH seq AS (SELECT 1) SELECT * FROM seq', 'read'],
    ['SELECT * FROM reading_view', 'read'],
    ['SELECT reader()', 'read'],
    ['SELECT opaque_stable()', 'read'],
    ['SELECT * FROM ONLY parent', 'read'],
    ['SELECT lower(name) FROM users', 'read'],
    [`SELECT lower('A')`, 'read'],
    [`SELECT lower('A'::text)`, 'read'],
    ['EXPLAIN DELETE FROM users', 'read'],
    ['EXPLAIN (ANALYZE, ANALYZE false) DELETE FROM users', 'read'],
    ['EXPLAIN SELECT opaque()', 'read'],
    ['EXPLAIN SELECT liar()', 'sequence'],
    ['EXPLAIN ANALYZE DELETE FROM users', 'write'],
    ['EXPLAIN (ANALYZE false, ANALYZE) DELETE FROM users', 'write'],
    ['INSERT INTO users VALUES (1)', 'write'],
    ['WITH x AS (DELETE FROM users RETURNING 1) SELECT * FROM x', 'write'],
    ['SELECT 1 INTO copied', 'write'],
    ['MERGE INTO users u USING parent p ON u.id = p.id WHEN MATCHED THEN DO NOTHING', 'unlogged-table'],
    ['MERGE INTO users u USING users p ON u.id = p.id WHEN MATCHED THEN DO NOTHING', 'read'],
    ['MERGE INTO users u USING users p ON u.id = p.id WHEN MATCHED THEN DELETE', 'write'],
    [`DO $$ BEGIN SET LOCAL work_mem = '1MB'; END $$`, 'read'],
    ['DO $$ BEGIN SET LOCAL search_path = other; END $$', 'code-block'],
    [`DO $$ BEGIN SET LOCAL SCHEMA 'other'; END $$`, 'code-block'],
    ['DO $$ BEGIN SET LOCAL ROLE other; END $$', 'code-block'],
    ['DO $$ BEGIN SET LOCAL transaction_read_only = off; END $$', 'code-block'],
    ['DO $$ BEGIN SET LOCAL TRANSACTION READ WRITE; END $$', 'code-block'],
    [`SET LOCAL work_mem = '1MB'`, 'setting'],
    [`SELECT loread(lo_open(1, x'40000'::int), 9)`, 'read'],
    ['SELECT lo_open(1, 262144)', 'read'],
    [`SELECT lo_open(1, x'60000'::int)`, 'session-state'],
    ['SELECT lo_open(1, id) FROM users', 'session-state'],
    ['SELECT pg_stat_get_snapshot_timestamp()', 'read'],
    ['COPY users FROM STDIN', 'write'],
    ['COPY (DELETE FROM users RETURNING 1) TO STDOUT', 'write'],
    [`COPY users TO '/tmp/x'`, 'server-file'],
    ['CREATE TABLE t (a int)', 'ddl'],
    ['VACUUM', 'maintenance'],
    ['SELECT * FROM users FOR SHARE', 'row-lock'],
    ['SELECT * FROM seq', 'sequence'],
    [`SELECT nextval('seq')`, 'sequence'],
    [`SELECT U&"nextv\\0061l"('seq')`, 'sequence'],
    ['SELECT * FROM (WITH seq AS (SELECT 1) SELECT * FROM seq) x, seq', 'sequence'],
    ['SELECT * FROM scratch', 'unlogged-table'],
    ['SELECT * FROM parent', 'unlogged-table'],
    ['SELECT * FROM twin', 'read'],
    ['SELECT * FROM passing', 'temporary-table'],
    ['SELECT * FROM pg_temp_3.twin', 'temporary-table'],
    ['SELECT * FROM public.twin', 'read'],
    ['SELECT * FROM remote', 'foreign-table'],
    ['SELECT * FROM writing_view', 'write'],
    ['SELECT touch(u) FROM users u', 'write'],
    ['SELECT u.touch FROM users u', 'write'],
    ['SELECT (u).touch FROM users u', 'write'],
    ['SELECT 1 === 2', 'write'],
    ['SELECT 5::checked', 'write'],
    ['SELECT lower(5)', 'write'],
    ['SELECT ping()', 'write'],
    ['SELECT pong()', 'write'],
    ['SELECT liar()', 'sequence'],
    ['SELECT numbered()', 'sequence'],
    ['SELECT numbered(1)', 'read'],
    ['SELECT opaque()', 'volatile-function'],
    ['SELECT pg_terminate_backend(1)', 'volatile-function'],
    ['SELECT txid_current()', 'refused-on-standby'],
    ['SELECT * FROM nowhere', 'unknown-name'],
    ['SELECT nothing(1)', 'unknown-name'],
    ['SELECT 1 ~~~ 2', 'unknown-name'],
    ['SELECT 1::nothing', 'unknown-name'],
    ['SELECT * FROM nowhere, seq', 'sequence'],
    ['CALL p()', 'unknown-name'],
    ['CALL counts()', 'read'],
    ['CALL counts(numbered())', 'procedure'],
    ['CALL counts(numbered(1))', 'read'],
    ['CALL either(1)', 'read'],
    [`CALL either('a'::text)`, 'procedure'],
    [`CALL either(users.id)`, 'procedure'],
    ['CALL leaves(NULL, 1)', 'procedure'],
    ['CALL leaves(NULL, 1, 2)', 'read'],
    ['CALL ends()', 'procedure'],
    ['DO $$ BEGIN END $$', 'read'],
    [`DO LANGUAGE 'plpgsql' 'BEGIN RAISE NOTICE ''x''; END'`, 'read'],
    ['DO $$ BEGIN PERFORM reader(); CALL counts(); END $$', 'read'],
    [`DO $$ BEGIN EXECUTE 'SELECT reader()'; END $$`, 'read'],
    ['DO $$ BEGIN PERFORM pong(); END $$', 'code-block'],
    [`DO $$ BEGIN CALL either('a'::text); END $$`, 'code-block'],
    ['DO $$ BEGIN CALL nothing(); END $$', 'unknown-name'],
    [`DO $$ BEGIN EXECUTE 'TRUNCATE users'; END $$`, 'code-block'],
    [`DO $$ DECLARE q text := 'TRUNCATE users'; BEGIN EXECUTE q; END $$`, 'code-block'],
    ['DO $$ DECLARE c checked := 5; BEGIN END $$', 'code-block'],
    ['DO $$ BEGIN SET work_mem = 1; END $$', 'code-block'],
    [`DO $$ BEGIN PERFORM set_config('work_mem', '1', false); END $$`, 'code-block'],
    ['DO $$ BEGIN LISTEN c; END $$', 'code-block'],
    ['DO $$ BEGIN PERFORM pg_advisory_lock(1); END $$', 'code-block'],
    ['DO $$ BEGIN COMMIT; END $$', 'code-block'],
    ['DO $$ BEGIN ROLLBACK; END $$', 'code-block'],
    ['DO $$ BEGIN syntax error; END $$', 'code-block'],
    ['DO LANGUAGE plperl $$ 1 $$', 'code-block'],
    ['SELECT 1; DO $$ BEGIN TRUNCATE users; END $$', 'code-block'],
    ['NOTIFY c', 'notify'],
    ['BEGIN; DELETE FROM users; COMMIT', 'transaction'],
    ['BEGIN; SET work_mem = 1; COMMIT', 'transaction-control'],
    ['BEGIN', 'transaction-control'],
    ['SELECT 1; COMMIT', 'transaction-control'],
    ['SET work_mem = 1', 'setting'],
    ['PREPARE p AS SELECT 1', 'prepared-statement'],
    ['DECLARE c CURSOR FOR SELECT 1', 'cursor'],
    ['LISTEN c', 'listen'],
    ['CREATE TEMP TABLE t (a int)', 'temporary-object'],
    ['SELECT pg_advisory_lock(1)', 'lock'],
    ['SELEC 1', 'not-parsed'],
    ['SELECT 1\0; DROP TABLE users', 'not-parsed'],
    ['', 'not-parsed'],
    [' -- nothing', 'empty'],
  ])('%s: %s', (text, expected) => {
    expect(verdict(text)).toBe(expected);
  });

  // `lower(text)` is the server's own, `lower(int)` writes.
  it.each([
    [`SELECT lower('a' || 'b')`, 'read'],
    [`SELECT lower(name || ', ' || name) FROM users`, 'read'],
    [`SELECT lower('a' || NULL)`, 'read'],
    [`SELECT lower('a' || 'b' || 1)`, 'write'],
    [`SELECT lower('a' || id) FROM users`, 'write'],
    [`SELECT lower('a'::text || x) FROM (SELECT '{1}'::int[] AS x) y`, 'write'],
    ['SELECT lower(1 + 1)', 'write'],
    ['SELECT joins_elsewhere()', 'write'],
    ['SELECT joins_varchars()', 'write'],
  ])('joins texts to a text, by the operator of the server: %s', (text, expected) => {
    expect(verdict(text)).toBe(expected);
  });

  const cut = `SELECT 1 AS ${'n'.repeat(51)}`;
  it.each([
    [`SELECT runs('SELECT 1')`, 'read'],
    [`SELECT runs('SELECT 1'::text)`, 'read'],
    [`SELECT runs(q => CAST('SELECT 1' AS varchar))`, 'read'],
    [`SELECT runs('SELECT 1'::pg_catalog.text)`, 'read'],
    [`SELECT runs('TRUNCATE users'::text)`, 'write'],
    [`SELECT runs('SELECT 10'::varchar(8))`, 'volatile-function'],
    [`SELECT runs('SELECT 1'::public.text)`, 'volatile-function'],
    [`SELECT runs('SELECT 1'::text::text)`, 'volatile-function'],
    [`SELECT set_config('work_mem'::text, '1', true)`, 'read'],
    [`SELECT set_config('work_memory'::varchar(8), '1', true)`, 'session-state'],
    [`SELECT runs('${cut}'::name)`, 'read'],
    [`SELECT runs('${cut}é'::name)`, 'volatile-function'],
  ])('a literal cast to a text says what it said: %s', (text, expected) => {
    expect(verdict(text)).toBe(expected);
  });

  it.each([
    ['SELECT count(*) FROM seq', 'read'],
    ['SELECT 1 FROM users, seq', 'read'],
    ['SELECT EXISTS (SELECT FROM seq)', 'read'],
    ['SELECT count(seq) FROM seq', 'sequence'],
    ['SELECT count(*) FROM seq WHERE is_called', 'sequence'],
    ['SELECT 1 FROM seq s NATURAL JOIN users', 'sequence'],
    ['SELECT 1 FROM seq JOIN users USING (id)', 'sequence'],
    ['TABLE seq', 'sequence'],
    ['SELECT 1 FROM unlogged_seq', 'unlogged-table'],
  ])('that looks into no sequence reads one row of each: %s', (text, expected) => {
    expect(verdict(text)).toBe(expected);
  });

  it.each([
    ['SELECT calls_reader()', 'read'],
    ['SELECT calls_elsewhere()', 'write'],
    ['SELECT calls_here()', 'read'],
    ['SELECT calls_back()', 'read'],
    ['SELECT calls_back(), calls_elsewhere()', 'write'],
    ['DO $$ BEGIN PERFORM calls_elsewhere(); END $$', 'code-block'],
  ])('has functions look for names where their callers do, unless they say where: %s', (text, expected) => {
    expect(verdict(text)).toBe(expected);
  });

  it.each([
    ['SELECT (5).checked', 'write'],
    ['SELECT (users.id).checked FROM users', 'write'],
    ['SELECT r.checked FROM opaque_stable() r', 'write'],
    ['SELECT twin.checked FROM twin', 'read'],
    ['SELECT (t).checked FROM twin t', 'read'],
    ['SELECT (5).text', 'read'],
    ['SELECT (5).users', 'read'],
    ['SELECT r.lower FROM opaque_stable() r', 'write'],
    ['SELECT users.lower FROM users', 'read'],
  ])('calls a function, or casts to a type, by what looks like a column: %s', (text, expected) => {
    expect(verdict(text)).toBe(expected);
  });

  it.each([
    ['SELECT 1 FROM holds_checked', 'write'],
    ['SELECT * FROM indexed', 'sequence'],
    ['EXPLAIN SELECT * FROM indexed', 'sequence'],
    ['SELECT * FROM indexed_well', 'read'],
  ])('runs what a table brings with it: %s', (text, expected) => {
    expect(verdict(text)).toBe(expected);
  });

  it.each([
    [`SELECT current_setting('work_mem')`, 'read'],
    [`SELECT current_setting('app.tenant'::text)`, 'read'],
    [`SELECT current_setting('transaction_read_only')`, 'node-state'],
    [`SELECT current_setting('In_Hot_Standby')`, 'node-state'],
    [`SELECT current_setting('in_hot_standby_'::varchar(14))`, 'node-state'],
    ['SELECT current_setting($1)', 'node-state'],
    ['SELECT current_setting(name) FROM users', 'node-state'],
    ['SHOW ALL', 'node-state'],
    ['SHOW in_hot_standby', 'node-state'],
    ['SHOW work_mem', 'read'],
  ])('asks for a setting, which may be by the role of the node: %s', (text, expected) => {
    expect(verdict(text)).toBe(expected);
  });

  it('that is too long or too deep goes to the primary', () => {
    expect(verdict(`SELECT '${'x'.repeat(65_536)}'`)).toBe('too-long');
    expect(verdict(`SELECT ${'('.repeat(20_000)}1${')'.repeat(20_000)}`)).toBe('not-parsed');
    expect(verdict(`SELECT 1${' + 1'.repeat(15_000)}`)).toBe('not-parsed');
    expect(verdict('SELECT 1')).toBe('read');
  });

  it('that may write is told from one that surely does not', () => {
    const writes = (text: string) => {
      const found = classifier.classify(text);
      return found.kind === 'primary' && found.writes;
    };
    expect(writes('SELECT * FROM seq')).toBe(false);
    expect(writes('SELECT * FROM scratch')).toBe(false);
    expect(writes(`SELECT nextval('seq') FROM scratch`)).toBe(true);
    expect(writes('SELECT * FROM nowhere')).toBe(true);
  });

  it('that changes what names mean says so', () => {
    expect(classifier.classify('CREATE TABLE t (a int)').changesCatalog).toBe(true);
    expect(classifier.classify('SELECT 1; DROP TABLE t').changesCatalog).toBe(true);
    expect(classifier.classify('DO $$ BEGIN CREATE TABLE t (a int); END $$').changesCatalog).toBe(true);
    expect(classifier.classify('DO $$ BEGIN PERFORM 1; END $$').changesCatalog).toBe(false);
    expect(classifier.classify('INSERT INTO users VALUES (1)').changesCatalog).toBe(false);
  });
});

describe('the classifier', () => {
  it('knows no name before it has a catalog', async () => {
    const empty = await Classifier.create();
    expect(verdict('SELECT 1', empty)).toBe('unknown-name');
    expect(verdict('INSERT INTO users VALUES (1)', empty)).toBe('write');
    empty.use(smallCatalog());
    expect(verdict('SELECT 1', empty)).toBe('read');
  });

  it('takes the word of the user for functions', async () => {
    const trusting = await withCatalog({ safeFunctions: ['opaque', 'public.touch'] });
    expect(verdict('SELECT opaque()', trusting)).toBe('read');
    expect(verdict('SELECT u.touch FROM users u', trusting)).toBe('read');
    expect(verdict('SELECT liar()', trusting)).toBe('sequence');
  });

  it('keeps a text from the replicas that one has refused, until the next catalog', async () => {
    const made = await withCatalog();
    made.keepFromReplicas('SELECT 1');
    expect(verdict('SELECT 1', made)).toBe('refused-on-standby');
    made.use(smallCatalog());
    expect(verdict('SELECT 1', made)).toBe('read');
  });

  it('keeps all of its shape, also those that were known as reads', async () => {
    const made = await withCatalog();
    const text = (name: string) => `SELECT id FROM users WHERE name = '${name}'`;
    expect(['a', 'b', 'c'].map((name) => verdict(text(name), made))).toEqual(['read', 'read', 'read']);
    made.keepFromReplicas(text('a'));
    for (const name of ['a', 'b', 'c', 'd']) expect(verdict(text(name), made)).toBe('refused-on-standby');
  });

  it.each([
    ['that is too long', 'x'.repeat(70_000), 'too-long'],
    ['that no parser takes', 'a\0b', 'not-parsed'],
  ])('has no value %s speak for others of its shape, nor they for it', async (_, value, reason) => {
    const text = (name: string) => `SELECT id FROM users WHERE name = '${name}'`;
    const made = await withCatalog();
    for (let i = 0; i < 2; i++) {
      expect(verdict(text(value), made)).toBe(reason);
      expect(verdict(text('a'), made)).toBe('read');
    }
  });

  it('takes a text of any length', () => {
    const text = `INSERT INTO users (name) VALUES ('${'x'.repeat(16 * 1024 * 1024)}')`;
    expect(verdict(text)).toBe('too-long');
  });

  it('goes by the catalog it had where it can make nothing of another', async () => {
    const made = await withCatalog();
    const { catalog } = made;
    const broken = Object.create(smallCatalog(), {
      entries: {
        get: () => {
          throw new RangeError('too deep');
        },
      },
    }) as ReturnType<typeof smallCatalog>;
    expect(() => made.use(broken)).toThrow('too deep');
    expect(made.catalog).toBe(catalog);
  });
});

describe('of what needs a connection of its own', () => {
  it.each([
    ['SET work_mem = 1', undefined],
    ['SET work_mem = 1; SELECT 1', undefined],
    ['SET work_mem = 1; DELETE FROM users', true],
    [`SELECT nextval('seq'); LISTEN orders`, true],
    ['SET work_mem = 1; SELECT opaque()', true],
  ])('it is known whether the text writes, too: %s', (text, writes) => {
    const found = classifier.classify(text);
    expect([found.kind, found.kind === 'session' && found.writes]).toEqual(['session', writes]);
  });
});

describe('what may set something for the rest of its transaction', () => {
  const setsLocally = (text: string, by = classifier) => {
    const found = by.classify(text);
    return found.kind === 'read' && found.setsLocally === true;
  };

  it.each([
    ['SELECT lower(name) FROM users', false],
    ['SELECT reader()', false],
    [`SELECT set_config('work_mem', '1', true)`, true],
    [`SELECT pg_catalog.SET_CONFIG('work_mem', '1', true)`, true],
  ])('is told of a read: %s', (text, does) => {
    expect([verdict(text), setsLocally(text)]).toEqual(['read', does]);
  });

  it.each<[string, string, string | null, boolean]>([
    ['sets it', 'plpgsql', 'BEGIN SET  LOCAL work_mem = 1; END', true],
    ['sets it by a function', 'sql', `SELECT set_config('a.b', 'c', true)`, true],
    ['sets nothing', 'sql', 'SELECT 1', false],
    ['is written in C', 'c', null, false],
    ['is written in what can’t be read', 'plpython3u', null, true],
  ])('is any read where a function %s', async (_, language, definition, does) => {
    const { entries } = smallCatalog();
    const [reader, ...others] = entries.own.functions;
    const functions = [...others, { ...sure(reader), language, definition }];
    const made = await Classifier.create();
    made.use(new Catalog({ ...entries, own: { ...entries.own, functions } }));
    expect(setsLocally('SELECT lower(name) FROM users', made)).toBe(does);
  });
});
