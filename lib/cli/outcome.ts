import { ConfigError, describeError } from '../errors.js';

/** What a command ends the process with. */
export const EXIT = {
  ok: 0,
  /** The cluster, or a finding, is not as it should be. */
  bad: 1,
  /** Wrong usage or configuration, or something is missing that the command needs. */
  unusable: 2,
} as const;

export interface Outcome {
  readonly code: number;
  /** For the standard output. */
  readonly text: string;
}

/** The command can't do what it was asked for, by no fault of the cluster. */
export class UnusableError extends Error {
  override readonly name = 'UnusableError';
}

export function exitCodeOf(error: unknown): number {
  const isUnusable = error instanceof ConfigError || error instanceof UnusableError;
  return isUnusable ? EXIT.unusable : EXIT.bad;
}

export function complaint(error: unknown): string {
  return `nestjs-pg-mcp: ${describeError(error)}\n`;
}

export function asJson(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
