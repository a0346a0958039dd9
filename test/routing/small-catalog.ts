import { Catalog } from '../../lib/routing/catalog/catalog.js';
import type { FunctionEntry, RelationEntry, TypeEntry } from '../../lib/routing/catalog/entries.js';
import { NO_REFERENCES, type References } from '../../lib/routing/catalog/references.js';

const INT = 23;
const TEXT = 25;
const VARCHAR = 1043;
const USERS_ROW = 20_001;

function aFunction(given: Partial<FunctionEntry> & Pick<FunctionEntry, 'oid' | 'name'>): FunctionEntry {
  const parameters = given.parameters ?? [];
  const isBuiltin = given.oid < 16_384;
  return {
    schema: isBuiltin ? 'pg_catalog' : 'public',
    isBuiltin,
    volatility: 'i',
    kind: 'f',
    minimum: parameters.length,
    maximum: parameters.length,
    declared: parameters.length,
    parameters,
    types: [...parameters, INT],
    language: isBuiltin ? 'internal' : 'sql',
    source: null,
    definition: null,
    searchPath: undefined,
    hasOtherMeaning: false,
    extension: undefined,
    parts: [],
    defaults: NO_REFERENCES,
    ...given,
  };
}

function aRelation(given: Partial<RelationEntry> & Pick<RelationEntry, 'oid' | 'name'>): RelationEntry {
  return {
    schema: 'public',
    kind: 'r',
    persistence: 'p',
    types: [],
    rowType: 0,
    hasRowSecurity: false,
    ...given,
  };
}

function aType(given: Partial<TypeEntry> & Pick<TypeEntry, 'oid' | 'name'>): TypeEntry {
  const isBuiltin = given.oid < 16_384;
  return {
    schema: isBuiltin ? 'pg_catalog' : 'public',
    isBuiltin,
    kind: 'b',
    parts: [],
    relation: undefined,
    functions: [],
    checks: NO_REFERENCES,
    ...given,
  };
}

const sql = (name: string, body: string) =>
  `CREATE FUNCTION public.${name} RETURNS int LANGUAGE sql AS $$ ${body} $$`;
const procedure = (signature: string, body: string) =>
  `CREATE PROCEDURE public.${signature} LANGUAGE plpgsql AS $$ BEGIN ${body} END $$`;
const plpgsql = (signature: string, body: string) =>
  `CREATE FUNCTION public.${signature} RETURNS int LANGUAGE plpgsql AS $$ BEGIN ${body} END $$`;
const references = (given: Partial<References>): References => ({ ...NO_REFERENCES, ...given });

/** A catalog small enough to know by heart, for tests without a server. */
export function smallCatalog(): Catalog {
  return new Catalog({
    searchPath: ['pg_catalog', 'public'],
    hasStandardStrings: true,
    hasTemporaryPath: false,
    fingerprint: '1',
    builtin: {
      version: '180000',
      operatorNames: new Set(['=', '<', '>', '<=', '>=', '+', '-', '||', '<>']),
      functions: [
        aFunction({ oid: 1, name: 'nextval', volatility: 'v', parameters: [2205] }),
        aFunction({ oid: 2, name: 'lower', parameters: [TEXT] }),
        aFunction({ oid: 3, name: 'random', volatility: 'v' }),
        aFunction({ oid: 4, name: 'txid_current', volatility: 's' }),
        aFunction({ oid: 5, name: 'count', kind: 'a', volatility: 'i' }),
        aFunction({ oid: 6, name: 'pg_advisory_lock', volatility: 'v', parameters: [20] }),
        aFunction({ oid: 8, name: 'lo_open', volatility: 'v', parameters: [26, INT] }),
        aFunction({ oid: 9, name: 'loread', volatility: 'v', parameters: [INT, INT] }),
        aFunction({ oid: 12, name: 'current_setting', volatility: 's', parameters: [TEXT] }),
        aFunction({ oid: 11, name: 'set_config', volatility: 'v', parameters: [TEXT, TEXT, 16] }),
        aFunction({ oid: 10, name: 'pg_stat_get_snapshot_timestamp', volatility: 's' }),
        aFunction({ oid: 7, name: 'pg_terminate_backend', volatility: 'v', parameters: [INT] }),
      ],
      relations: [],
      types: [
        aType({ oid: INT, name: 'int4' }),
        aType({ oid: TEXT, name: 'text' }),
        aType({ oid: 16, name: 'bool' }),
        aType({ oid: 19, name: 'name' }),
        aType({ oid: VARCHAR, name: 'varchar' }),
      ],
      rules: [],
      columns: [],
      implicitCasts: [],
    },
    own: {
      functions: [
        aFunction({
          oid: 30_001,
          name: 'touch',
          volatility: 'v',
          parameters: [USERS_ROW],
          definition: sql('touch(u users)', 'INSERT INTO users VALUES (1) RETURNING 1'),
        }),
        aFunction({
          oid: 30_002,
          name: 'reader',
          volatility: 'v',
          definition: sql('reader()', 'SELECT count(*) FROM users'),
        }),
        aFunction({
          oid: 30_003,
          name: 'liar',
          volatility: 'i',
          definition: sql('liar()', `SELECT nextval('seq')`),
        }),
        aFunction({ oid: 30_004, name: 'opaque', volatility: 'v', language: 'c' }),
        aFunction({ oid: 30_005, name: 'opaque_stable', volatility: 's', language: 'c' }),
        aFunction({
          oid: 30_006,
          name: 'numbered',
          parameters: [INT],
          minimum: 0,
          defaults: references({ functions: [1] }),
        }),
        aFunction({
          oid: 30_007,
          name: 'lower',
          volatility: 'v',
          parameters: [INT],
          definition: sql('lower(i int)', 'DELETE FROM users RETURNING 1'),
        }),
        // Two that call each other, one of which writes.
        aFunction({
          oid: 30_008,
          name: 'ping',
          volatility: 'v',
          definition: sql('ping()', 'SELECT pong()'),
        }),
        aFunction({
          oid: 30_009,
          name: 'pong',
          volatility: 'v',
          definition: sql('pong()', 'SELECT ping(); TRUNCATE users'),
        }),
        aFunction({
          oid: 30_010,
          name: 'counts',
          kind: 'p',
          volatility: 'v',
          language: 'plpgsql',
          definition: procedure('counts()', 'PERFORM count(*) FROM users;'),
        }),
        // Of two by one name a CALL may mean either.
        aFunction({
          oid: 30_011,
          name: 'either',
          kind: 'p',
          volatility: 'v',
          parameters: [INT],
          language: 'plpgsql',
          definition: procedure('either(a int)', 'PERFORM a;'),
        }),
        aFunction({
          oid: 30_012,
          name: 'either',
          kind: 'p',
          volatility: 'v',
          parameters: [TEXT],
          language: 'plpgsql',
          definition: procedure('either(a text)', 'TRUNCATE users;'),
        }),
        aFunction({
          oid: 30_013,
          name: 'leaves',
          kind: 'p',
          volatility: 'v',
          parameters: [INT, INT, INT],
          minimum: 2,
          language: 'plpgsql',
          definition: procedure('leaves(OUT a int, b int, c int DEFAULT 1)', 'a := b;'),
          defaults: references({ functions: [1] }),
        }),
        aFunction({
          oid: 30_014,
          name: 'ends',
          kind: 'p',
          volatility: 'v',
          language: 'plpgsql',
          definition: procedure('ends()', 'COMMIT;'),
        }),
        // Hides the other one where its schema comes first.
        aFunction({
          oid: 30_015,
          schema: 'other',
          name: 'reader',
          volatility: 'v',
          definition: sql('reader()', 'TRUNCATE users; SELECT 1'),
        }),
        aFunction({
          oid: 30_016,
          name: 'calls_reader',
          volatility: 'v',
          language: 'plpgsql',
          definition: plpgsql('calls_reader()', `PERFORM reader(); RETURN lower('a' || 'b');`),
        }),
        ...[
          ['calls_elsewhere', 'other', 'RETURN calls_reader();'],
          ['joins_elsewhere', 'joining', `RETURN lower('a' || 'b');`],
          ['joins_varchars', 'other', `RETURN lower('a'::varchar || 'b'::varchar);`],
          ['calls_here', 'public', 'RETURN calls_reader();'],
          ['calls_back', 'other', 'RETURN calls_here();'],
        ].map(([name = '', schema = '', body = ''], index) =>
          aFunction({
            oid: 30_017 + index,
            name,
            volatility: 'v',
            language: 'plpgsql',
            searchPath: schema === 'public' ? ['pg_catalog', 'public'] : [schema, 'pg_catalog', 'public'],
            definition: plpgsql(`${name}()`, body),
          }),
        ),
        aFunction({
          oid: 30_030,
          name: 'runs',
          volatility: 'v',
          parameters: [TEXT],
          language: 'plpgsql',
          definition: plpgsql('runs(q text)', 'EXECUTE q; RETURN 1;'),
        }),
      ],
      relations: [
        aRelation({ oid: 20_000, name: 'users', rowType: USERS_ROW }),
        aRelation({ oid: 20_002, name: 'seq', kind: 'S' }),
        aRelation({ oid: 20_013, name: 'holds_checked', types: [20_010] }),
        aRelation({ oid: 20_014, name: 'indexed' }),
        aRelation({ oid: 20_015, name: 'indexed_well' }),
        aRelation({ oid: 20_012, name: 'unlogged_seq', kind: 'S', persistence: 'u' }),
        aRelation({ oid: 20_003, name: 'scratch', persistence: 'u' }),
        aRelation({ oid: 20_004, name: 'writing_view', kind: 'v' }),
        aRelation({ oid: 20_005, name: 'reading_view', kind: 'v' }),
        aRelation({ oid: 20_006, name: 'parent' }),
        aRelation({ oid: 20_007, name: 'remote', kind: 'f' }),
        aRelation({ oid: 20_008, name: 'twin' }),
        aRelation({ oid: 20_011, name: 'passing', schema: 'pg_temp_3', persistence: 't' }),
        aRelation({ oid: 20_009, name: 'twin', schema: 'pg_temp_3', persistence: 't' }),
      ],
      types: [
        aType({ oid: USERS_ROW, name: 'users', kind: 'c', relation: 20_000 }),
        aType({
          oid: 20_010,
          name: 'checked',
          kind: 'd',
          parts: [INT],
          checks: references({ functions: [30_001] }),
        }),
      ],
      rules: [
        {
          relation: 20_004,
          runs: 'read',
          references: references({ functions: [30_001], relations: [20_000] }),
        },
        { relation: 20_014, runs: 'plan', references: references({ functions: [30_003] }) },
        // What is volatile is not folded.
        { relation: 20_015, runs: 'plan', references: references({ functions: [30_001, 30_002, 2] }) },
        { relation: 20_005, runs: 'read', references: references({ functions: [2], relations: [20_000] }) },
      ],
      columns: [{ name: 'name', types: [TEXT] }],
      implicitCasts: [],
      children: [{ parent: 20_006, child: 20_003 }],
      operators: [
        {
          oid: 40_000,
          schema: 'public',
          name: '===',
          parameters: [INT, INT],
          function: 30_001,
          commutator: 0,
          negator: 0,
        },
        {
          oid: 40_001,
          schema: 'joining',
          name: '||',
          parameters: [TEXT, TEXT],
          function: 30_002,
          commutator: 0,
          negator: 0,
        },
        {
          oid: 40_003,
          schema: 'other',
          name: '||',
          parameters: [VARCHAR, VARCHAR],
          function: 30_002,
          commutator: 0,
          negator: 0,
        },
        // Takes no texts.
        {
          oid: 40_002,
          schema: 'public',
          name: '||',
          parameters: [USERS_ROW, USERS_ROW],
          function: 30_002,
          commutator: 0,
          negator: 0,
        },
      ],
      casts: [],
      operatorClasses: [],
      indexes: [],
      columnsLikeFunctions: [{ relation: 20_008, name: 'checked' }],
    },
  });
}
