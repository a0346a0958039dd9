import type { Clock } from '../clock.js';
import type { DriverConnection } from '../pool/driver.js';
import type { Queryable } from '../query.js';

/** The same connection, cut where a statement gets no answer in time: a server that hangs would never give one. */
export function bounded(connection: DriverConnection, clock: Clock, timeoutMs: number): Queryable {
  return {
    async query(statement, values) {
      const late = new Error(`no answer within ${timeoutMs} ms`);
      const timer = clock.setTimer(() => connection.destroy(late), timeoutMs);
      try {
        return await connection.query(statement, values);
      } finally {
        timer.cancel();
      }
    },
  };
}
