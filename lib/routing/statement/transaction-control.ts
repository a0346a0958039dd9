import type { IsolationLevel, TransactionModes } from '../../transaction-modes.js';
import {
  asList,
  asNode,
  asText,
  literalBoolean,
  literalText,
  parseStatements,
  tagOf,
  type Node,
} from './syntax.js';

/** What a text does to its transaction. */
export type TransactionControl =
  | { readonly kind: 'begin' | 'modes'; readonly modes: TransactionModes }
  | { readonly kind: 'commit' | 'rollback' }
  /** It begins or ends one, and does something else besides. */
  | { readonly kind: 'mixed' };

const BEGINS = ['TRANS_STMT_BEGIN', 'TRANS_STMT_START'];
const ENDS = ['TRANS_STMT_COMMIT', 'TRANS_STMT_ROLLBACK', 'TRANS_STMT_PREPARE'];

/** Undefined for what neither begins nor ends one, nor says how it runs: savepoints too. */
export function transactionControlIn(text: string): TransactionControl | undefined {
  const controls = parseStatements(text).map(controlOf);
  const [first] = controls;
  if (controls.length < 2) return first;
  // BEGIN, and SET TRANSACTION right behind it.
  const modes = controls.map((control) => (control && 'modes' in control ? control.modes : undefined));
  if (first?.kind === 'begin' && modes.every((given) => given !== undefined))
    return { kind: 'begin', modes: Object.assign({}, ...modes) as TransactionModes };
  return controls.some((control) => control && control.kind !== 'modes') ? { kind: 'mixed' } : undefined;
}

function controlOf(statement: Node): TransactionControl | undefined {
  const { tag, fields } = tagOf(statement);
  if (tag === 'VariableSetStmt')
    return fields['name'] === 'TRANSACTION' ? { kind: 'modes', modes: modesIn(fields['args']) } : undefined;
  if (tag !== 'TransactionStmt') return undefined;
  const kind = asText(fields['kind']) ?? '';
  if (BEGINS.includes(kind)) return { kind: 'begin', modes: modesIn(fields['options']) };
  if (!ENDS.includes(kind)) return undefined;
  if (fields['chain'] === true || kind === 'TRANS_STMT_PREPARE') return { kind: 'mixed' };
  return { kind: kind === 'TRANS_STMT_COMMIT' ? 'commit' : 'rollback' };
}

function modesIn(options: unknown): TransactionModes {
  const given = new Map(
    asList(options).map((option) => {
      const { defname, arg } = asNode(asNode(option)['DefElem']);
      return [asText(defname), arg];
    }),
  );
  const flag = (name: string) => (given.has(name) ? literalBoolean(given.get(name)) : undefined);
  const isolation = literalText(given.get('transaction_isolation')) as IsolationLevel | undefined;
  const readOnly = flag('transaction_read_only');
  const deferrable = flag('transaction_deferrable');
  return {
    ...(isolation !== undefined && { isolation }),
    ...(readOnly !== undefined && { readOnly }),
    ...(deferrable !== undefined && { deferrable }),
  };
}
