import { nearestKey } from '../config/keys.js';
import type { LongConnection } from '../session/long-call.js';
import { badInput } from './bad-input.js';

/** What a value is sent as. */
export interface SentType {
  /** Of the type beneath a domain. */
  readonly oid: number;
  readonly isEnum: boolean;
}

export interface Column extends SentType {
  readonly name: string;
  /** As SQL writes it, without a length: a cast to it cuts nothing off. */
  readonly type: string;
  /** Of an array. */
  readonly element?: SentType;
  /** Generated columns take no values. */
  readonly isGenerated: boolean;
}

const COLUMNS = `
  SELECT a.attname::text AS name, format_type(a.atttypid, -1) AS type,
    base.oid::text AS oid, (base.typtype = 'e')::text AS "isEnum", (a.attgenerated <> '')::text AS "isGenerated",
    element.oid::text AS "elementOid", (element.typtype = 'e')::text AS "isElementEnum"
  FROM pg_catalog.pg_attribute a
  CROSS JOIN LATERAL (
    WITH RECURSIVE chain AS (
      SELECT t.oid, t.typtype, t.typbasetype, t.typcategory, t.typelem FROM pg_catalog.pg_type t
      WHERE t.oid = a.atttypid
      UNION ALL
      SELECT t.oid, t.typtype, t.typbasetype, t.typcategory, t.typelem FROM chain
      JOIN pg_catalog.pg_type t ON t.oid = chain.typbasetype WHERE chain.typtype = 'd')
    SELECT * FROM chain WHERE typtype <> 'd') base
  LEFT JOIN pg_catalog.pg_type element ON base.typcategory = 'A' AND element.oid = base.typelem
  WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped
  ORDER BY a.attnum`;

interface Found {
  readonly name: string;
  readonly type: string;
  readonly oid: string;
  readonly isEnum: string;
  readonly isGenerated: string;
  readonly elementOid: string | null;
  readonly isElementEnum: string | null;
}

/** Whatever type parsers the caller has set. */
const AS_TEXT = { getTypeParser: () => (value: unknown) => value };

/** The columns of a table, in their order. @throws the server's error where there is no such table. */
export async function columnsOf(table: string, connection: LongConnection): Promise<readonly Column[]> {
  const { rows } = await connection.query<Found>({ text: COLUMNS, values: [table], types: AS_TEXT });
  return rows.map(({ name, type, oid, isEnum, isGenerated, elementOid, isElementEnum }) => ({
    name,
    type,
    oid: Number(oid),
    isEnum: isEnum === 'true',
    isGenerated: isGenerated === 'true',
    ...(elementOid !== null && { element: { oid: Number(elementOid), isEnum: isElementEnum === 'true' } }),
  }));
}

/**
 * The columns that are named, in that order; all that take values where none is.
 *
 * @throws PgMcpError `BULK_INPUT` for one that is not there.
 */
export function pickColumns(
  table: string,
  all: readonly Column[],
  names: readonly string[] | undefined,
): readonly Column[] {
  if (names === undefined) return all.filter(({ isGenerated }) => !isGenerated);
  const byName = new Map(all.map((column) => [column.name, column]));
  return names.map((name) => {
    const column = byName.get(name);
    if (column) return column;
    const nearest = nearestKey(name, [...byName.keys()]);
    const meant = nearest === undefined ? '' : `; did you mean "${nearest}"?`;
    throw badInput(`${table} has no column "${name}"${meant}`);
  });
}
