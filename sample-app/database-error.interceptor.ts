import {
  Injectable,
  Logger,
  ServiceUnavailableException,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { PgMcpError, type PgMcpErrorCode } from 'nestjs-pg-mcp';
import { catchError, type Observable } from 'rxjs';

/** What passes by itself. The library's other errors are faults of the program, and stay a 500. */
const PASSING: readonly PgMcpErrorCode[] = [
  'ACQUIRE_TIMEOUT',
  'CLUSTER_CLOSED',
  'CONNECT_FAILED',
  'CONNECTION_LOST',
  'CONSISTENCY_UNAVAILABLE',
  'NO_PRIMARY',
  'NO_REPLICA',
];

/** Answers 503 while the database can't serve, and says whether the request may be sent again. */
@Injectable()
export class DatabaseErrorInterceptor implements NestInterceptor {
  readonly #logger = new Logger(DatabaseErrorInterceptor.name);

  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(
      catchError((error: unknown) => {
        if (!(error instanceof PgMcpError) || !PASSING.includes(error.code)) throw error;
        this.#logger.warn(error.message);
        throw new ServiceUnavailableException(advice(error));
      }),
    );
  }
}

function advice({ safeToRetry }: PgMcpError): string {
  return safeToRetry
    ? 'the database is not available: nothing was done, try again'
    : 'the connection to the database was lost: whether the request was carried out is unknown';
}
