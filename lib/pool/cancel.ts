import type { PooledConnection } from './pooled-connection.js';
import type { Served } from './waiting-line.js';

/** Where to ask. */
export interface CancelHost {
  wait(timeoutMs: number, served: Served<PooledConnection>): void;
  release(connection: PooledConnection): void;
}

/** By then it may be over by itself. */
const PATIENCE_MS = 1_000;

const TEXT = 'SELECT pg_catalog.pg_cancel_backend($1)';

/**
 * Has the server stop what runs on a connection for nobody: it may keep locks from others (`pg_cancel_backend`: manual,
 * section 9.28.2). Not behind a proxy, where the process that answers is not known.
 */
export function cancel(connection: PooledConnection, host: CancelHost): void {
  const { driver } = connection;
  const { serverProcessId } = driver;
  if (serverProcessId === undefined) return;
  // It may come too late for this one: not for a statement of whoever would have the connection next.
  connection.mustGo();
  host.wait(PATIENCE_MS, (_error, other) => {
    if (!other) return;
    if (driver.isBusy && !driver.isLost)
      other.ask({ text: TEXT, values: [serverProcessId] }, () => host.release(other));
    else host.release(other);
  });
}
