/**
 * What of PostgreSQL's system catalogs (manual, chapter "System Catalogs") decides what a name in a statement
 * does. Every column is a text or a number, so that no type parser of the caller's gets in the way.
 *
 * Objects below this identifier came with PostgreSQL (manual, "System Catalog Initial Data"): they are read
 * once per server version.
 */
export const FIRST_OWN_OID = 16_384;

export type Share = 'own' | 'builtin';

// A stored expression holds what its names were resolved to when it was made, whatever the search_path is now.
const references = (tree: string) => `(
  SELECT string_agg(DISTINCT replace(found[1], ' ', '') || ' ' || found[2], ' ')
  FROM regexp_matches(${tree}::text,
    '[:{](funcid|opfuncid|opno|eqop|sortop|aggfnoid|winfnoid|relid|resulttype|hasForUpdate|SQLVALUEFUNCTION :op) ([0-9]+|true)', 'g') AS found
)`;

const ofShare = (share: Share, oid: string) => `${oid} ${share === 'own' ? '>=' : '<'} ${FIRST_OWN_OID}`;

export const ENVIRONMENT = `
  SELECT current_setting('server_version_num') AS version,
    (current_setting('standard_conforming_strings') = 'on')::int AS standard_strings,
    (current_setting('search_path') LIKE '%pg_temp%')::int AS temporary_path, current_user::text AS role,
    to_json(current_schemas(true))::text AS path`;

/** In a CALL what is only given back takes a place, too (manual, CALL). */
const ofCall = (all: string, input: string) =>
  `CASE WHEN p.prokind = 'p' THEN coalesce(${all}, ${input}) ELSE ${input} END`;

/** Where the body looks for names follows the account that runs it, and some account has a schema of its own. */
const FOLLOWS_ACCOUNT = `
  EXISTS (SELECT FROM pg_namespace s JOIN pg_roles r ON r.rolname = s.nspname)
  AND coalesce(
    (SELECT setting LIKE '%$user%' FROM unnest(p.proconfig) AS setting WHERE setting LIKE 'search\\_path=%'),
    p.prosecdef AND pg_get_userbyid(p.proowner) <> current_user AND current_setting('search_path') LIKE '%$user%')`;

export const functions = (share: Share): string => `
  SELECT p.oid::text AS oid, n.nspname::text AS schema, p.proname::text AS name,
    p.provolatile::text AS volatility, p.prokind::text AS kind, ${ofCall('cardinality(p.proallargtypes)', 'p.pronargs')}::int AS arguments,
    p.pronargdefaults::int AS defaults, (p.provariadic <> 0)::int AS variadic,
    ${ofCall(`array_to_string(p.proallargtypes, ' ')`, 'p.proargtypes::text')} || ' ' || p.prorettype
      || coalesce(' ' || array_to_string(p.proallargtypes, ' '), '') AS types, l.lanname::text AS language,
    CASE WHEN l.lanname = 'internal' THEN p.prosrc END AS source,
    ${
      share === 'builtin'
        ? `NULL AS definition, NULL AS settings, NULL AS follows_account, NULL AS extension, NULL AS parts, NULL AS default_references`
        : `CASE WHEN l.lanname IN ('sql', 'plpgsql') AND p.prokind <> 'a' THEN pg_get_functiondef(p.oid) END AS definition,
    to_json(p.proconfig)::text AS settings, (${FOLLOWS_ACCOUNT})::int AS follows_account,
    (SELECT e.extname::text FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
      WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
        AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e') AS extension,
    (SELECT concat_ws(' ', a.aggtransfn::oid, a.aggfinalfn::oid, a.aggcombinefn::oid, a.aggserialfn::oid,
      a.aggdeserialfn::oid, a.aggmtransfn::oid, a.aggminvtransfn::oid, a.aggmfinalfn::oid)
      FROM pg_aggregate a WHERE a.aggfnoid = p.oid) AS parts,
    ${references('p.proargdefaults')} AS default_references`
    }
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
  WHERE ${ofShare(share, 'p.oid')} AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)`;

export const relations = (share: Share): string => `
  SELECT c.oid::text AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind,
    c.relpersistence::text AS persistence, c.reltype::text AS type, c.relrowsecurity::int AS row_security,
    (SELECT string_agg(DISTINCT a.atttypid::text, ' ') FROM pg_attribute a
      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= ${FIRST_OWN_OID}) AS types
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE ${ofShare(share, 'c.oid')} AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c')
    AND n.nspname <> 'pg_toast' AND n.nspname NOT LIKE 'pg\\_toast\\_temp\\_%'`;

/** What reading a relation runs: the query of a view; and what only writing it does. */
export const rules = (share: Share): string => `
  SELECT r.ev_class::text AS relation, CASE r.ev_type WHEN '1' THEN 'read' ELSE 'write' END AS runs,
    ${references('r.ev_action')} AS references
  FROM pg_rewrite r WHERE ${ofShare(share, 'r.oid')}`;

export const OWN = {
  policies: `
    SELECT p.polrelid::text AS relation, 'read' AS runs,
      concat_ws(' ', ${references('p.polqual')}, ${references('p.polwithcheck')}) AS references
    FROM pg_policy p`,
  defaults: `
    SELECT d.adrelid::text AS relation, 'write' AS runs, ${references('d.adbin')} AS references
    FROM pg_attrdef d WHERE d.oid >= ${FIRST_OWN_OID}`,
  // Most hold functions of PostgreSQL's own alone, of which none is in the way.
  planned: `
    SELECT relation::text AS relation, 'plan' AS runs, ${references('tree')} AS references
    FROM (
      SELECT indrelid AS relation, concat_ws(' ', indexprs, indpred) AS tree FROM pg_index
      UNION ALL SELECT conrelid, conbin::text FROM pg_constraint WHERE contype = 'c'
      UNION ALL SELECT stxrelid, stxexprs::text FROM pg_statistic_ext
      UNION ALL SELECT partrelid, partexprs::text FROM pg_partitioned_table
    ) AS expression
    WHERE relation >= ${FIRST_OWN_OID} AND tree ~ ':(op)?funcid [0-9]{5}'`,
  children: `SELECT inhparent::text AS parent, inhrelid::text AS child FROM pg_inherits`,
  operators: `
    SELECT o.oid::text AS oid, n.nspname::text AS schema, o.oprname::text AS name,
      concat_ws(' ', NULLIF(o.oprleft, 0), o.oprright) AS parameters,
      o.oprcode::oid::text AS function,
      o.oprcom::text AS commutator, o.oprnegate::text AS negator
    FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace
    WHERE o.oid >= ${FIRST_OWN_OID} AND o.oprcode <> 0`,
  casts: `
    SELECT castsource::text AS source, casttarget::text AS target, castfunc::text AS function,
      (castcontext <> 'e')::int AS implied
    FROM pg_cast WHERE oid >= ${FIRST_OWN_OID} AND castfunc <> 0`,
  operatorClasses: `
    SELECT c.oid::text AS oid, c.opcintype::text AS type, c.opcdefault::int AS is_default,
      concat_ws(' ',
        (SELECT string_agg(p.amproc::oid::text, ' ') FROM pg_amproc p WHERE p.amprocfamily = c.opcfamily),
        (SELECT string_agg(o.oprcode::oid::text, ' ') FROM pg_amop a JOIN pg_operator o ON o.oid = a.amopopr
          WHERE a.amopfamily = c.opcfamily)) AS functions
    FROM pg_opclass c WHERE c.oid >= ${FIRST_OWN_OID}`,
  indexes: `
    SELECT DISTINCT i.indrelid::text AS relation, class.oid::text AS class
    FROM pg_index i CROSS JOIN LATERAL unnest(i.indclass::oid[]) AS class(oid)
    WHERE class.oid >= ${FIRST_OWN_OID}`,
  columnsLikeFunctions: `
    SELECT a.attrelid::text AS relation, a.attname::text AS name FROM pg_attribute a
    WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid >= ${FIRST_OWN_OID}
      AND a.attname IN (SELECT proname FROM pg_proc WHERE provolatile = 'v' OR oid >= ${FIRST_OWN_OID}
        UNION ALL SELECT typname FROM pg_type WHERE oid >= ${FIRST_OWN_OID} AND typrelid = 0 AND typelem = 0)`,
} as const;

export const types = (share: Share): string => `
  SELECT t.oid::text AS oid, n.nspname::text AS schema, t.typname::text AS name, t.typtype::text AS kind,
    concat_ws(' ', NULLIF(t.typbasetype, 0), NULLIF(t.typelem, 0), ${
      share === 'own' ? `(SELECT concat_ws(' ', rngsubtype) FROM pg_range WHERE rngtypid = t.oid)` : 'NULL'
    }) AS parts,
    NULLIF(t.typrelid, 0)::text AS relation,
    ${
      share === 'own'
        ? `concat_ws(' ', t.typinput::oid, t.typoutput::oid, t.typreceive::oid, t.typsend::oid, t.typmodin::oid,
      (SELECT concat_ws(' ', r.rngcanonical::oid, r.rngsubdiff::oid,
          (SELECT string_agg(p.amproc::oid::text, ' ') FROM pg_opclass c JOIN pg_amproc p
            ON p.amprocfamily = c.opcfamily WHERE c.oid = r.rngsubopc))
        FROM pg_range r WHERE r.rngtypid = t.oid))`
        : 'NULL'
    } AS functions,
    ${
      share === 'own'
        ? `(SELECT string_agg(${references('k.conbin')}, ' ') FROM pg_constraint k WHERE k.contypid = t.oid)`
        : 'NULL'
    } AS checks
  FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
  WHERE ${ofShare(share, 't.oid')}`;

/** Every type that columns of a name have, whatever their tables. */
export const columns = (share: Share): string => `
  SELECT a.attname::text AS name, string_agg(DISTINCT a.atttypid::text, ' ') AS types
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
  WHERE ${ofShare(share, 'c.oid')} AND a.attnum > 0 AND NOT a.attisdropped
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c', 'S')
  GROUP BY a.attname`;

/** Between which types no cast needs to be written. */
export const implicitCasts = (share: Share): string => `
  SELECT castsource::text || ' ' || casttarget AS pair FROM pg_cast
  WHERE ${ofShare(share, 'oid')} AND castcontext = 'i'`;

export const OPERATOR_NAMES = `
  SELECT DISTINCT oprname::text AS name FROM pg_operator WHERE oid < ${FIRST_OWN_OID}`;

const NOT_TEMPORARY = `IN (SELECT oid FROM pg_class WHERE relpersistence <> 't')`;

// Temporary tables come and go all the time and are nobody else's. VACUUM writes to pg_class in place, so
// that a row's xmin tells of definitions alone.
const TRACKED: Readonly<Record<string, readonly [identifier: string, condition: string]>> = {
  pg_proc: ['oid', 'true'],
  pg_operator: ['oid', 'true'],
  pg_cast: ['oid', 'true'],
  pg_opclass: ['oid', 'true'],
  pg_amproc: ['oid', 'true'],
  pg_amop: ['oid', 'true'],
  pg_index: ['indexrelid', `indrelid ${NOT_TEMPORARY}`],
  pg_policy: ['oid', 'true'],
  pg_statistic_ext: ['oid', 'true'],
  pg_type: ['oid', `typtype <> 'c' AND typelem = 0`],
  pg_constraint: ['oid', `contype = 'c'`],
  pg_namespace: ['oid', `nspname NOT LIKE 'pg\\_%temp\\_%'`],
  pg_class: ['oid', `relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c') AND relpersistence <> 't'`],
  pg_rewrite: ['oid', `ev_class ${NOT_TEMPORARY}`],
  pg_attrdef: ['oid', `adrelid ${NOT_TEMPORARY}`],
  pg_inherits: ['inhrelid', `inhrelid ${NOT_TEMPORARY}`],
};

// hashint8 folds its halves into each other: were they the identifier and xmin, a table that takes another's
// place a few numbers on would often count as the same.
const digest = ([table, [identifier, condition]]: readonly [string, readonly [string, string]]) => `(
  SELECT count(*) || ':' || coalesce(sum(hashint8(${identifier}::int8 * 1000003 + xmin::text::int8)), 0)
  FROM ${table} WHERE ${identifier} >= ${FIRST_OWN_OID} AND ${condition})`;

// A column is renamed, or its type changed, without a trace in pg_class. There are many: their xmin would be
// dear to read, so their names and types are taken in themselves.
const COLUMNS = `(
  SELECT sum(hashnameextended(attname, attrelid::int8 * 1000003 + atttypid::int8)) FROM pg_attribute
  WHERE attrelid >= ${FIRST_OWN_OID} AND attnum > 0
    AND attrelid <> ALL (ARRAY(SELECT oid FROM pg_class WHERE relpersistence = 't')))`;

/** A digest that differs when an own object came, went or changed. One statement, one row. */
export const FINGERPRINT = `
  SELECT concat_ws('/', current_setting('server_version_num'), current_user, current_schemas(false)::text,
    current_setting('search_path'), current_setting('standard_conforming_strings'),
    ${[...Object.entries(TRACKED).map(digest), COLUMNS].join(', ')}) AS fingerprint`;
