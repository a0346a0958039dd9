import { codeOf, ConnectionLostError, PgMcpError } from '../errors.js';

/**
 * Connection, resources, intervention by the operator, the system, the server itself (manual, appendix A): another
 * node may well do better. 57014 is a cancel or a time-out of the statement.
 */
const NODE_TROUBLE = /^(?:08|53|57(?!014)|58|XX)[0-9A-Z]{3}$/;

/** Whether a call failed by the node it ran on; any other error is an answer, of a node that does well. */
export function isFaultOfNode(error: unknown): boolean {
  if (error instanceof ConnectionLostError) return true;
  if (error instanceof PgMcpError) return false;
  const code = codeOf(error);
  return code !== undefined && NODE_TROUBLE.test(code);
}
