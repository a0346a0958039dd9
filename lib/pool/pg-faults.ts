import pg from 'pg';
import { ConnectionLostError } from '../errors.js';

/**
 * Errors by which the server itself ends a connection (manual, appendix A): 57P01 and 57P02 shutdown, 57P03
 * not ready, 57P04 database dropped, 57P05 idle session, 25P03 and 25P04 transaction time-outs. Those of
 * class 08 are not among them: a wrong number of values is one, and foreign servers report them.
 */
const CONNECTION_ENDING = /^(57P0[1-5]|25P0[34])$/;

/** The severity comes in the server's language; `ERROR` in English leaves the connection, whatever its code. */
export function endsConnection({ severity, code }: pg.DatabaseError): boolean {
  if (severity === 'FATAL' || severity === 'PANIC') return true;
  return severity !== 'ERROR' && CONNECTION_ENDING.test(code ?? '');
}

/** Whether it is an answer of the server, after which it takes the next statement. */
export function isAnswer(error: unknown): error is pg.DatabaseError {
  return error instanceof pg.DatabaseError && !endsConnection(error);
}

/** What a COPY failed of, for its caller: an error of the server passes as it is. */
export function explainFault(node: string, error: unknown): unknown {
  return isAnswer(error) ? error : new ConnectionLostError(node, 'unknown', error);
}

/**
 * Class 42: what the text says is wrong, or not allowed. Class 22: a value in it is; a plan that knows a number need not
 * even compute what stands beside it.
 */
export function isOfText(error: unknown): boolean {
  return error instanceof pg.DatabaseError && /^(42|22)/.test(error.code ?? '');
}

/**
 * `deadlock_detected` (manual, section 13.3.4): a read by itself waits with no lock that another could wait for; in a
 * group, with those of the reads ahead of it.
 */
export function isOfGroup(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === '40P01';
}

/** `invalid_sql_statement_name` and `duplicate_prepared_statement`. */
const [UNKNOWN_PREPARED, KNOWN_PREPARED] = ['26000', '42P05'];
/**
 * `datatype_mismatch` and `undefined_function`: the types of parameters stay those of when it was prepared, also when
 * the columns that they are for have got others.
 */
const OF_TYPES = new Set(['42804', '42883']);

/** A name is another than this side believes, as somebody in between makes it. @param isPrepared As this side believes. */
export function losesPrepared({ code }: pg.DatabaseError, isPrepared: boolean): boolean {
  return code === KNOWN_PREPARED || (code === UNKNOWN_PREPARED && isPrepared);
}

/** What is prepared under a name does not serve any more. */
export function isOfStaleName({ code = '', routine, where }: pg.DatabaseError, isPrepared: boolean): boolean {
  // Before anything runs there is no context to tell of.
  const hasOtherTypes = OF_TYPES.has(code) && where === undefined && isPrepared;
  // A definition has changed (source, plancache.c); or it never came to be, since the first to prepare it failed.
  const isOfName = code === UNKNOWN_PREPARED || code === KNOWN_PREPARED;
  return routine === 'RevalidateCachedQuery' || isOfName || hasOtherTypes;
}
