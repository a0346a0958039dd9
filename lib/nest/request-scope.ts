import type { IncomingMessage, ServerResponse } from 'node:http';
import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { catchError, concatMap, finalize, from, map, of, type Observable } from 'rxjs';
import type { PgCluster } from '../cluster.js';
import { isAsyncGenerator } from '../session/carry.js';
import { RequestScope } from '../session/scope.js';
import { SessionTokenCarrier } from './session-token.js';

type Next = () => void;

/**
 * Opens a scope for each HTTP request, around guards, pipes and filters too, in the session that the client's
 * token tells of. Leases that were not given back come back with the answer; all that is held comes back when
 * the client hangs up.
 */
export function requestScopeMiddleware(
  cluster: PgCluster,
): (request: IncomingMessage, response: ServerResponse, next: Next) => void {
  const carrier = new SessionTokenCarrier(cluster);
  return (request, response, next) => {
    const token = carrier.tokenIn(request);
    const scope = new RequestScope(cluster.session.open(token), () => idOf(request));
    carrier.tellIn(response, scope.session, token);
    response.once('close', () => void (response.writableFinished ? scope.end() : scope.abandon()));
    cluster.runInRequest(scope, next);
  };
}

/** As loggers and Fastify put it on the request, else what the client or a proxy sent. */
function idOf(request: IncomingMessage & { readonly id?: unknown }): string | undefined {
  const { id = request.headers['x-request-id'] } = request;
  return typeof id === 'string' || typeof id === 'number' ? String(id) : undefined;
}

/**
 * Opens a scope, and so a session, for what no middleware sees: messages, WebSocket events, routes outside of it.
 * An HTTP answer waits until the position of what was written is known, so that its token can tell it.
 */
export class RequestScopeInterceptor implements NestInterceptor {
  readonly #cluster: PgCluster;

  constructor(cluster: PgCluster) {
    this.#cluster = cluster;
  }

  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (this.#cluster.isInRequest) return this.#settled(next.handle());
    const scope = new RequestScope();
    // Nest binds the handler to the context in which `handle` is called.
    const handled = this.#cluster.runInRequest(scope, () => next.handle());
    return handled.pipe(
      map((value) => this.#carried(scope, value)),
      finalize(() => void scope.end()),
    );
  }

  /** What a GraphQL subscription comes from is read when its resolver is long done. */
  #carried(scope: RequestScope, value: unknown): unknown {
    return isAsyncGenerator(value) ? this.#cluster.session.runAsJob(scope, () => value) : value;
  }

  #settled(handled: Observable<unknown>): Observable<unknown> {
    const sessions = this.#cluster.session;
    const session = sessions.current;
    return handled.pipe(
      concatMap((value) => (session.isMarked ? from(sessions.settle(session).then(() => value)) : of(value))),
      catchError(async (error: unknown) => {
        await sessions.settle(session);
        throw error;
      }),
    );
  }
}
