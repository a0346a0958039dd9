import type { Obstacle } from './statement-class.js';
import type { Node } from './syntax.js';

/** Whether a `RangeVar` names something that ends with its session. */
export function isTemporary(relation: Node): boolean {
  return relation['relpersistence'] === 't' || relation['schemaname'] === 'pg_temp';
}

export function temporaryObject(detail: string): Obstacle {
  return {
    kind: 'session',
    reason: 'temporary-object',
    detail: `${detail} of a temporary object`,
    remedy: 'a temporary object belongs to one connection: use transaction() or getConnection()',
  };
}
