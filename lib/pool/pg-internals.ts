import pg from 'pg';
import type { Statement } from '../query.js';
import type { Told } from './group.js';
import type { PreparingConnection } from './prepared-statements.js';

/** What `pg` keeps of a result while its rows come in. */
export interface OpenResult {
  fields: pg.FieldDef[];
  _parsers: unknown[];
  _prebuiltEmptyResultObject: object;
  _types: NonNullable<Statement['types']>;
  addRow(row: unknown): void;
  parseRow(values: readonly unknown[]): unknown;
}

/** The part of `pg.Query` that its types leave out. */
export interface OpenQuery {
  name?: string;
  readonly text: string;
  readonly values?: unknown[];
  queryMode?: string;
  _rowMode: Statement['rowMode'];
  _result: OpenResult;
  _results: OpenResult;
  _canceledDueToError: unknown;
  _checkForMultirow(): void;
  handleRowDescription(message: { readonly fields: pg.FieldDef[] }): void;
  handleCommandComplete(message: object, connection: Told): void;
  handleEmptyQuery(connection: Told): void;
  handleReadyForQuery(connection: Told): void;
  handleError(error: unknown, connection: Told): void;
  requiresPreparation(): boolean;
}

/** The part of `pg.Client` that its types leave out. */
export interface OpenClient {
  readonly connection: PreparingConnection;
  /** Of the server; `null` before it has greeted us. */
  readonly processID: number | null;
  /** Looked at with each statement, so a connection that is quiet can be switched. */
  pipeline: boolean;
}

interface Library {
  readonly utils: { readonly prepareValue: (value: unknown) => unknown };
  readonly Query: new (
    text: string,
    values: readonly unknown[] | undefined,
    callback: (error: unknown, result: never) => void,
  ) => OpenQuery;
  readonly Result: new (rowMode: Statement['rowMode'], types: Statement['types']) => OpenResult;
}

/** What of `pg` its types leave out. */
export const { utils, Query, Result } = pg as unknown as Library;
