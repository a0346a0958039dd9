import { readFileSync } from 'node:fs';

export interface Entry {
  readonly text: string;
  /** It asks about the node itself, or nobody can say by rows alone what is right: the oracle has no say. */
  readonly isFree: boolean;
}

/** One statement a line; lines that begin with `-- ` are headings. */
export function readCorpus(name: string): Entry[] {
  const lines = readText(`${name}.sql`).split('\n');
  return lines
    .filter((line) => line !== '' && !line.startsWith('-- '))
    .map((line) => ({
      text: line.replace(/ -- (node|session)$/, ''),
      isFree: / -- (node|session)$/.test(line),
    }));
}

export function readText(name: string): string {
  return readFileSync(new URL(name, import.meta.url), 'utf8');
}

/** Expressions that write, or that a standby answers otherwise, in every place that takes an expression. */
export function products(): Entry[] {
  const expressions = [
    `nextval('seq')::int`,
    `touch_int(1)`,
    `(SELECT u.touch FROM users u WHERE u.id = 1)`,
    `lying_immutable()::int`,
    `lying_stable()::int`,
    `lying_nested(4)`,
    `writes_in_loop(1)`,
    `(SELECT last_value FROM seq)::int`,
    `(5::writing_domain)::int`,
    `(1 === 1)::int`,
    `(SELECT t FROM writing_view)`,
    `(SELECT a FROM scratch LIMIT 1)`,
    `(SELECT writing_sum(id) FROM tree)`,
    `(with_default(1))::int`,
    `(SELECT count(*)::int FROM guarded)`,
    `plain_volatile(3)`,
    `plain_plpgsql(3)`,
    `abs(-3)`,
    `(random() * 0)::int`,
    `length('INSERT INTO log VALUES (1) FOR UPDATE')`,
    `(SELECT plain_sum(id) FROM tree)::int`,
    `reads_in_execute()::int`,
    `(5::plain_domain)::int`,
    `(SELECT max(id) FROM plain_view)`,
  ];
  const places = [
    (e: string) => `SELECT ${e}`,
    (e: string) => `SELECT id FROM tree WHERE ${e} >= 0 ORDER BY id`,
    (e: string) => `SELECT id FROM tree ORDER BY id * 0 + ${e}, id LIMIT 2`,
    (e: string) => `WITH x AS MATERIALIZED (SELECT ${e} AS v) SELECT v >= 0 FROM x`,
    (e: string) => `VALUES (1, ${e})`,
    (e: string) => `SELECT ARRAY[1, ${e}], ROW(${e}), CASE WHEN ${e} > 0 THEN 1 END`,
    (e: string) => `SELECT count(*) FROM tree GROUP BY id % 2, ${e} >= 0 HAVING max(${e}) IS NOT NULL`,
    (e: string) => `SELECT t.id FROM tree t JOIN LATERAL (SELECT ${e} AS v) x ON x.v >= 0 ORDER BY 1`,
    (e: string) => `SELECT sum(${e}) OVER (ORDER BY id) IS NULL FROM tree`,
    (e: string) => `SELECT jsonb_build_object('k', ${e}) ->> 'k' IS NULL UNION SELECT true`,
    (e: string) => `COPY (SELECT ${e}) TO STDOUT`,
    (e: string) => `EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) SELECT ${e}`,
    (e: string) => `EXPLAIN (COSTS OFF) SELECT ${e}`,
    (e: string) => `EXPLAIN (COSTS OFF) SELECT 1 FROM tree WHERE ${e} > 1`,
  ];
  return expressions.flatMap((expression) =>
    places.map((place) => ({ text: place(expression), isFree: false })),
  );
}
