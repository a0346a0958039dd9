import type { ServerResponse } from 'node:http';
import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { finalize, type Observable } from 'rxjs';
import type { PgCluster } from '../cluster.js';
import { RequestScope } from '../session/scope.js';

type Next = () => void;

/**
 * Opens a scope for each HTTP request, around guards, pipes and filters too. Leases that were not given back
 * come back with the answer; all that is held comes back when the client hangs up.
 */
export function requestScopeMiddleware(
  cluster: PgCluster,
): (request: unknown, response: ServerResponse, next: Next) => void {
  return (_request, response, next) => {
    const scope = new RequestScope();
    response.once('close', () => void (response.writableFinished ? scope.end() : scope.abandon()));
    cluster.runInRequest(scope, next);
  };
}

/** Opens a scope for what no middleware sees: messages, WebSocket events, routes outside of it. */
export class RequestScopeInterceptor implements NestInterceptor {
  readonly #cluster: PgCluster;

  constructor(cluster: PgCluster) {
    this.#cluster = cluster;
  }

  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (this.#cluster.isInRequest) return next.handle();
    const scope = new RequestScope();
    // Nest binds the handler to the context in which `handle` is called.
    const handled = this.#cluster.runInRequest(scope, () => next.handle());
    return handled.pipe(finalize(() => void scope.end()));
  }
}
