import { mentionsOf } from './collect-mentions.js';
import type { Mentions } from './mentions.js';
import { isTemporary, temporaryObject } from './temporary-object.js';
import type { Obstacle, PrimaryReason, SessionReason } from './statement-class.js';
import { asList, asNode, asText, literalBoolean, tagOf, type Node } from './syntax.js';

/** What can be said of one statement without the catalog, and what is left to ask it. */
export interface Reading {
  /** A setting that ends with the statement's transaction; it is up to whoever knows that it has one. */
  readonly localSetting?: string;
  readonly obstacles: readonly Obstacle[];
  /** Undefined where the obstacles say all. */
  readonly mentions?: Mentions | undefined;
  readonly code?: CodeStatement;
  /** `plan`: an EXPLAIN that does not execute, but folds constants and estimates. */
  readonly mode: 'run' | 'plan';
  readonly changesCatalog: boolean;
}

/** A statement that runs code: whatever is found in that, the statement's own reason is told. */
export interface CodeStatement {
  readonly reason: 'procedure' | 'code-block';
  /** The PL/pgSQL of a DO. */
  readonly block?: string;
}

const NOTHING = { obstacles: [], mode: 'run', changesCatalog: false } as const;

const ON_ITS_CONNECTION = 'it acts on one connection only: use getConnection()';
const IN_A_TRANSACTION = 'it needs a transaction: use transaction()';

const SESSION: Readonly<Record<string, readonly [SessionReason, string, string]>> = {
  VariableSetStmt: ['setting', 'SET', 'use getConnection(), or transaction() with SET LOCAL'],
  DiscardStmt: ['setting', 'DISCARD', 'a connection is cleaned when it is given back'],
  LoadStmt: ['setting', 'LOAD', ON_ITS_CONNECTION],
  ConstraintsSetStmt: ['setting', 'SET CONSTRAINTS', IN_A_TRANSACTION],
  PrepareStmt: ['prepared-statement', 'PREPARE', 'give the statement a name: query({ name, text, values })'],
  ExecuteStmt: ['prepared-statement', 'EXECUTE', 'give the statement a name: query({ name, text, values })'],
  DeallocateStmt: ['prepared-statement', 'DEALLOCATE', 'use getConnection()'],
  DeclareCursorStmt: ['cursor', 'DECLARE', 'use stream(), or a cursor within transaction()'],
  FetchStmt: ['cursor', 'FETCH', 'use stream(), or a cursor within transaction()'],
  ClosePortalStmt: ['cursor', 'CLOSE', 'use stream(), or a cursor within transaction()'],
  ListenStmt: ['listen', 'LISTEN', ON_ITS_CONNECTION],
  UnlistenStmt: ['listen', 'UNLISTEN', ON_ITS_CONNECTION],
  LockStmt: ['lock', 'LOCK TABLE', IN_A_TRANSACTION],
};

const PRIMARY: Readonly<Record<string, readonly [PrimaryReason, string]>> = {
  TruncateStmt: ['write', 'TRUNCATE'],
  RefreshMatViewStmt: ['write', 'REFRESH MATERIALIZED VIEW'],
  VacuumStmt: ['maintenance', 'VACUUM or ANALYZE'],
  CheckPointStmt: ['maintenance', 'CHECKPOINT'],
  ReindexStmt: ['maintenance', 'REINDEX'],
  ClusterStmt: ['maintenance', 'CLUSTER'],
  AlterSystemStmt: ['maintenance', 'ALTER SYSTEM'],
  NotifyStmt: ['notify', 'NOTIFY'],
};

/** Settings that are others by the role of the node, alone or among all. */
export const SET_BY_ROLE: readonly string[] = [
  'all',
  'transaction_read_only',
  'default_transaction_read_only',
  'in_hot_standby',
];

export function readStatement(statement: Node): Reading {
  const { tag, fields } = tagOf(statement);
  switch (tag) {
    case 'SelectStmt':
    case 'InsertStmt':
    case 'UpdateStmt':
    case 'DeleteStmt':
    case 'MergeStmt': {
      const mentions = mentionsOf(statement);
      const changesCatalog = asNode(fields['intoClause'])['rel'] !== undefined;
      return { ...NOTHING, obstacles: mentions.deeds, mentions, changesCatalog };
    }
    case 'ExplainStmt':
      return readExplain(fields);
    case 'CopyStmt':
      return readCopy(fields);
    case 'VariableShowStmt': {
      const name = asText(fields['name'])?.toLowerCase() ?? '';
      return SET_BY_ROLE.includes(name)
        ? only({ kind: 'primary', reason: 'node-state', detail: `SHOW ${name}`, writes: false })
        : NOTHING;
    }
    case 'CallStmt':
      return {
        ...NOTHING,
        mentions: mentionsOf(statement),
        code: { reason: 'procedure' },
        changesCatalog: true,
      };
    case 'DoStmt':
      return readBlockOf(fields);
    case 'TransactionStmt':
      return only(readTransaction(fields));
    default:
      return readOther(tag, fields);
  }
}

function only(obstacle: Obstacle, changesCatalog = false): Reading {
  return { ...NOTHING, obstacles: [obstacle], changesCatalog };
}

function readOther(tag: string, fields: Node): Reading {
  // CREATE TABLE … AS EXECUTE.
  const runs = tagOf(fields['query']).tag;
  const session = SESSION[tag] ?? (runs === 'ExecuteStmt' ? SESSION[runs] : undefined);
  if (session) {
    const [reason, detail, remedy] = session;
    if (tag === 'VariableSetStmt' && asText(fields['name'])?.startsWith('TRANSACTION') === true)
      return only(transactionControl('SET TRANSACTION'));
    const setting = fields['is_local'] === true ? asText(fields['name']) : undefined;
    const isPlain = ['VAR_SET_VALUE', 'VAR_SET_DEFAULT'].includes(asText(fields['kind']) ?? '');
    return {
      ...only({ kind: 'session', reason, detail, remedy }),
      ...(isPlain && setting !== undefined && { localSetting: setting }),
    };
  }
  const primary = PRIMARY[tag];
  if (primary) {
    const [reason, detail] = primary;
    return only({ kind: 'primary', reason, detail, writes: true });
  }
  const detail = tag.replace(/Stmt$/, '').replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ');
  const created = [fields['relation'], fields['view'], fields['sequence'], asNode(fields['into'])['rel']];
  return created.some((relation) => tag !== 'AlterTableStmt' && isTemporary(asNode(relation)))
    ? only(temporaryObject(detail), true)
    : only({ kind: 'primary', reason: 'ddl', detail, writes: true }, true);
}

/** Other languages are not seen through. */
function readBlockOf(fields: Node): Reading {
  const options = asList(fields['args']).map((item) => asNode(asNode(item)['DefElem']));
  const given = (name: string) => {
    const option = options.find(({ defname }) => defname === name);
    return asText(asNode(asNode(option?.['arg'])['String'])['sval']);
  };
  const block = given('as');
  return block === undefined || (given('language') ?? 'plpgsql') !== 'plpgsql'
    ? only({ kind: 'primary', reason: 'code-block', detail: 'DO', writes: true }, true)
    : { ...NOTHING, code: { reason: 'code-block', block }, changesCatalog: true };
}

function transactionControl(detail: string): Obstacle {
  return { kind: 'session', reason: 'transaction-control', detail, remedy: 'use transaction()' };
}

function readTransaction(fields: Node): Obstacle {
  const kind = asText(fields['kind'])?.replace(/^TRANS_STMT_/, '') ?? '';
  return kind === 'COMMIT_PREPARED' || kind === 'ROLLBACK_PREPARED'
    ? { kind: 'primary', reason: 'prepared-transaction', detail: kind.replace('_', ' '), writes: true }
    : transactionControl(kind.replaceAll('_', ' '));
}

/** An EXPLAIN executes only with ANALYZE; of an option given twice the last counts. */
function readExplain(fields: Node): Reading {
  let executes = false;
  for (const item of asList(fields['options'])) {
    const option = asNode(asNode(item)['DefElem']);
    if (option['defname'] !== 'analyze') continue;
    executes = option['arg'] === undefined || literalBoolean(option['arg']) !== false;
  }
  const explained = tagOf(fields['query']);
  const query = { [explained.tag]: explained.fields };
  switch (explained.tag) {
    case 'ExecuteStmt':
      return readOther(explained.tag, explained.fields);
    case 'CreateTableAsStmt':
    case 'DeclareCursorStmt': {
      if (executes && explained.tag === 'CreateTableAsStmt') return readStatement(query);
      const inner = readStatement(asNode(explained.fields['query']));
      return executes ? inner : planned(inner);
    }
    case 'SelectStmt':
    case 'InsertStmt':
    case 'UpdateStmt':
    case 'DeleteStmt':
    case 'MergeStmt': {
      const inner = readStatement(query);
      return executes ? inner : planned(inner);
    }
    default:
      // A utility statement has no plan, and is not run.
      return NOTHING;
  }
}

function planned({ mentions, obstacles }: Reading): Reading {
  return { ...NOTHING, mode: 'plan', mentions, obstacles: mentions ? [] : obstacles };
}

function readCopy(fields: Node): Reading {
  if (fields['is_from'] === true)
    return only({ kind: 'primary', reason: 'write', detail: 'COPY FROM', writes: true });
  if (fields['is_program'] === true || fields['filename'] !== undefined)
    return only({
      kind: 'primary',
      reason: 'server-file',
      detail: 'COPY to a file or program of the server',
      writes: true,
    });
  const mentions = mentionsOf(fields['query'] ?? { RangeVar: fields['relation'] });
  return { ...NOTHING, obstacles: mentions.deeds, mentions };
}

/** Whether a text of several statements is one whole transaction: it leaves its connection as it found it. */
export function isWholeTransaction(statements: readonly Node[]): boolean {
  const kinds = statements.map((statement) => {
    const { tag, fields } = tagOf(statement);
    return tag === 'TransactionStmt' ? asText(fields['kind']) : undefined;
  });
  const begins = ['TRANS_STMT_BEGIN', 'TRANS_STMT_START'];
  const ends = ['TRANS_STMT_COMMIT', 'TRANS_STMT_ROLLBACK'];
  return (
    statements.length > 1 &&
    begins.includes(kinds[0] ?? '') &&
    ends.includes(kinds.at(-1) ?? '') &&
    kinds.slice(1, -1).every((kind) => kind === undefined || /SAVEPOINT|RELEASE|ROLLBACK_TO/.test(kind)) &&
    statements.slice(1, -1).every((statement) => {
      const { tag, fields } = tagOf(statement);
      return !(tag in SESSION) || tag === 'LockStmt' || fields['is_local'] === true;
    })
  );
}

/** The names in the definition of an SQL function that is no text: `BEGIN ATOMIC`, `RETURN`. */
export function readSqlBody(body: unknown): readonly Node[] {
  const { tag, fields } = tagOf(body);
  if (tag === 'List') return asList(fields['items']).flatMap(readSqlBody);
  return [tag === 'ReturnStmt' ? asNode({ Expression: fields['returnval'] }) : { [tag]: fields }];
}
