import type { PooledConnection } from './pooled-connection.js';
import type { Served } from './waiting-line.js';

/** Where to ask. */
export interface CancelHost {
  wait(timeoutMs: number, served: Served<PooledConnection>): void;
  release(connection: PooledConnection): void;
}

/** By then it may be over by itself. */
const PATIENCE_MS = 10_000;

/** The name may lead to another server now, on which that process is somebody else's. */
const TEXT = `SELECT pg_catalog.pg_cancel_backend(pid) FROM pg_catalog.pg_stat_activity
  WHERE pid = $1 AND client_port = $2`;

/**
 * Has the server stop what runs on a connection for nobody: it may keep locks from others (`pg_cancel_backend`: manual,
 * section 9.28.2). Not behind a proxy, where the process that answers is not known.
 */
export function cancel(connection: PooledConnection, host: CancelHost): void {
  const { driver } = connection;
  const { backend } = driver;
  if (!backend) return;
  // It may come too late for this one: not for a statement of whoever would have the connection next.
  connection.mustGo();
  host.wait(PATIENCE_MS, (_error, other) => {
    if (!other) return;
    if (driver.isBusy && !driver.isLost)
      other.ask({ text: TEXT, values: [backend.processId, backend.clientPort] }, () => host.release(other));
    else host.release(other);
  });
}
