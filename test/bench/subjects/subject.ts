import type { Sample } from '../harness/contest.js';
import type { Table } from '../harness/table.js';

export interface Report {
  readonly tables: readonly Table[];
  /** What the tables were made of. */
  readonly samples: readonly Sample[];
  /** What ours could not do; a way of others that fails is no fault of the run. */
  readonly faults: readonly string[];
}

export interface RunContext {
  readonly bare: boolean;
  /** A number of rounds or milliseconds, by the scale of the run. */
  rounds(full: number): number;
  ms(full: number): number;
  /** Says how far it is. */
  progress(text: string): void;
  /** The same for a contest's rounds. */
  onRound(what: string): (round: number) => void;
  /** Of the server, for the report's head. */
  saw(postgres: string): void;
}

export type Subject = (context: RunContext) => Promise<Report>;
