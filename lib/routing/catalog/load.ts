import type { Queryable } from '../../query.js';
import { Catalog } from './catalog.js';
import type {
  BuiltinEntries,
  FunctionEntry,
  OwnEntries,
  RelationEntry,
  RuleEntry,
  TypeEntry,
} from './entries.js';
import {
  columns,
  ENVIRONMENT,
  FINGERPRINT,
  functions,
  implicitCasts,
  OPERATOR_NAMES,
  OWN,
  relations,
  rules,
  types,
  type Share,
} from './queries.js';
import { isHarmlessSetting, SEARCH_PATH } from './local-settings.js';
import { oids, readReferences } from './references.js';

type Fields = Readonly<Record<string, string | number | null>>;

/**
 * Reads the catalog, for the role and search_path of the connection it is given, which is to be the primary's.
 *
 * @param previous An older one: what it holds of PostgreSQL itself is not read again.
 * @throws whatever the queries throw; `previous` stays good then.
 */
export async function loadCatalog(queryable: Queryable, previous?: Catalog): Promise<Catalog> {
  // Read first: a change while the rest is read shows as another one later.
  const fingerprint = await readFingerprint(queryable);
  const [environment] = await rowsOf(queryable, ENVIRONMENT);
  const version = text(environment?.['version']);
  const known = previous?.entries.builtin;
  const builtin = known?.version === version ? known : await loadBuiltin(queryable, version);
  return new Catalog({
    searchPath: JSON.parse(text(environment?.['path']) || '[]') as string[],
    hasStandardStrings: flag(environment?.['standard_strings']),
    hasTemporaryPath: flag(environment?.['temporary_path']),
    builtin,
    own: await loadOwn(queryable),
    fingerprint,
  });
}

/** A short text that changes when a definition does; cheap enough to ask for every 30 s. */
export async function readFingerprint(queryable: Queryable): Promise<string> {
  const [row] = await rowsOf(queryable, FINGERPRINT);
  return text(row?.['fingerprint']);
}

async function loadBuiltin(queryable: Queryable, version: string): Promise<BuiltinEntries> {
  const names = await rowsOf(queryable, OPERATOR_NAMES);
  return {
    version,
    ...(await loadShared(queryable, 'builtin')),
    operatorNames: new Set(names.map(({ name }) => text(name))),
  };
}

async function loadOwn(queryable: Queryable): Promise<OwnEntries> {
  const shared = await loadShared(queryable, 'own');
  const ask = (query: keyof typeof OWN) => rowsOf(queryable, OWN[query]);
  const extraRules = [...(await ask('policies')), ...(await ask('defaults')), ...(await ask('planned'))];
  const children = await ask('children');
  const operators = await ask('operators');
  const casts = await ask('casts');
  const operatorClasses = await ask('operatorClasses');
  const indexes = await ask('indexes');
  const columnsLikeFunctions = await ask('columnsLikeFunctions');
  return {
    ...shared,
    rules: [...shared.rules, ...extraRules.map(toRule)],
    children: children.map(({ parent, child }) => ({ parent: Number(parent), child: Number(child) })),
    operators: operators.map((row) => ({
      oid: Number(row['oid']),
      schema: text(row['schema']),
      name: text(row['name']),
      parameters: oids(optional(row['parameters'])),
      function: Number(row['function']),
      commutator: Number(row['commutator']),
      negator: Number(row['negator']),
    })),
    casts: casts.map((row) => ({
      source: Number(row['source']),
      target: Number(row['target']),
      function: Number(row['function']),
      isImplied: flag(row['implied']),
    })),
    operatorClasses: operatorClasses.map((row) => ({
      oid: Number(row['oid']),
      type: Number(row['type']),
      isDefault: flag(row['is_default']),
      functions: oids(optional(row['functions'])),
    })),
    indexes: indexes.map((row) => ({
      relation: Number(row['relation']),
      operatorClass: Number(row['class']),
    })),
    columnsLikeFunctions: columnsLikeFunctions.map((row) => ({
      relation: Number(row['relation']),
      name: text(row['name']),
    })),
  };
}

async function loadShared(queryable: Queryable, share: Share) {
  const isBuiltin = share === 'builtin';
  const functionRows = await rowsOf(queryable, functions(share));
  const relationRows = await rowsOf(queryable, relations(share));
  const typeRows = await rowsOf(queryable, types(share));
  const columnRows = await rowsOf(queryable, columns(share));
  const castRows = await rowsOf(queryable, implicitCasts(share));
  const ruleRows = await rowsOf(queryable, rules(share));
  return {
    functions: functionRows.map((row) => toFunction(row, isBuiltin)),
    relations: relationRows.map(toRelation),
    types: typeRows.map((row) => toType(row, isBuiltin)),
    rules: ruleRows.map(toRule),
    columns: columnRows.map((row) => ({ name: text(row['name']), types: oids(optional(row['types'])) })),
    implicitCasts: castRows.map(({ pair }) => text(pair)),
  };
}

function toFunction(row: Fields, isBuiltin: boolean): FunctionEntry {
  const declared = Number(row['arguments']);
  const types = oids(optional(row['types']));
  const isVariadic = flag(row['variadic']);
  const settings = JSON.parse(optional(row['settings']) ?? '[]') as string[];
  const path = settings.find((setting) => setting.startsWith(`${SEARCH_PATH}=`));
  const others = settings.map((setting) => setting.slice(0, setting.indexOf('=')));
  return {
    oid: Number(row['oid']),
    schema: text(row['schema']),
    name: text(row['name']),
    isBuiltin,
    volatility: text(row['volatility']),
    kind: text(row['kind']),
    minimum: declared - Number(row['defaults']),
    maximum: isVariadic ? Number.POSITIVE_INFINITY : declared,
    declared,
    // What VARIADIC takes is no array in a call.
    parameters: types.slice(0, isVariadic ? declared - 1 : declared),
    types,
    language: text(row['language']),
    source: optional(row['source']),
    definition: optional(row['definition']),
    searchPath: path === undefined ? undefined : readPath(path.slice(SEARCH_PATH.length + 1)),
    hasOtherMeaning:
      flag(row['follows_account']) || others.some((name) => name !== SEARCH_PATH && !isHarmlessSetting(name)),
    extension: optional(row['extension']) ?? undefined,
    parts: oids(optional(row['parts'])),
    defaults: readReferences(optional(row['default_references'])),
  };
}

function toRelation(row: Fields): RelationEntry {
  return {
    oid: Number(row['oid']),
    schema: text(row['schema']),
    name: text(row['name']),
    kind: text(row['kind']),
    persistence: text(row['persistence']),
    types: oids(optional(row['types'])),
    rowType: Number(row['type']),
    hasRowSecurity: flag(row['row_security']),
  };
}

function toType(row: Fields, isBuiltin: boolean): TypeEntry {
  const relation = optional(row['relation']);
  return {
    oid: Number(row['oid']),
    schema: text(row['schema']),
    name: text(row['name']),
    isBuiltin,
    kind: text(row['kind']),
    parts: oids(optional(row['parts'])),
    relation: relation === null ? undefined : Number(relation),
    functions: oids(optional(row['functions'])),
    checks: readReferences(optional(row['checks'])),
  };
}

function toRule(row: Fields): RuleEntry {
  return {
    relation: Number(row['relation']),
    runs: text(row['runs']) as RuleEntry['runs'],
    references: readReferences(optional(row['references'])),
  };
}

/** The schemas of a `search_path` setting, with the one that is searched first unless it is named. */
function readPath(setting: string): string[] {
  const schemas = [...setting.matchAll(/"((?:[^"]|"")*)"|[^\s,"]+/g)].map(
    ([bare, quoted]) => quoted?.replaceAll('""', '"') ?? bare.toLowerCase(),
  );
  return schemas.includes('pg_catalog') ? schemas : ['pg_catalog', ...schemas];
}

async function rowsOf(queryable: Queryable, query: string): Promise<readonly Fields[]> {
  return (await queryable.query<Fields>(query)).rows;
}

function text(value: string | number | null | undefined): string {
  return value == null ? '' : String(value);
}

function optional(value: string | number | null | undefined): string | null {
  return value == null ? null : String(value);
}

function flag(value: string | number | null | undefined): boolean {
  return Number(value) === 1;
}
