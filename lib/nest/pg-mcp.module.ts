import {
  Inject,
  Logger,
  Module,
  type BeforeApplicationShutdown,
  type DynamicModule,
  type MiddlewareConsumer,
  type NestModule,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { PgCluster } from '../cluster.js';
import type { ClusterEvents } from '../cluster-types.js';
import type { FailoverStep } from '../failover-event.js';
import { describeLeak } from '../leak-event.js';
import { ASYNC_OPTIONS_TYPE, ConfigurableModuleClass, OPTIONS_TYPE } from './module-options.js';
import { requestScopeMiddleware } from './request-scope.js';
import { OWN_CLUSTER } from './tokens.js';

/**
 * Registers a cluster: injectable as `PgCluster`, or by `@InjectCluster(name)` where it has a name.
 *
 * The application starts only with a connected cluster. At shutdown health turns to `down` and probing
 * stops in `beforeApplicationShutdown`; connections close in `onApplicationShutdown`, when the HTTP
 * server has drained.
 */
@Module({})
export class PgMcpModule
  extends ConfigurableModuleClass
  implements NestModule, BeforeApplicationShutdown, OnApplicationShutdown
{
  readonly #cluster: PgCluster;

  constructor(@Inject(OWN_CLUSTER) cluster: PgCluster) {
    super();
    this.#cluster = cluster;
    logChanges(cluster);
  }

  /**
   * @param options Settings, with `config` for a file's path; `name` for one of several clusters; `isGlobal`
   * (default true).
   */
  static override forRoot(options: typeof OPTIONS_TYPE): DynamicModule {
    return super.forRoot(options);
  }

  /** The same with options from `useFactory` (and `inject`, `imports`), `useClass` or `useExisting`. */
  static override forRootAsync(options: typeof ASYNC_OPTIONS_TYPE): DynamicModule {
    return super.forRootAsync(options);
  }

  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(requestScopeMiddleware(this.#cluster)).forRoutes('{*path}');
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.#cluster.startDraining();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#cluster.close();
  }
}

/** What an operator is to look at, beside the course of a failover. */
const ALARMS: ReadonlySet<FailoverStep> = new Set([
  'primary-lost',
  'promotion-refused',
  'backed-out',
  'node-quarantined',
  'split-brain',
  'lower-timeline-accepted',
  'switchover-failed',
  'mode-reduced',
  'warning',
]);

function logChanges(cluster: PgCluster): void {
  const logger = new Logger(PgMcpModule.name);
  const nodes = cluster.getStatus().nodes.map(({ name, role, health }) => `${name} (${role}, ${health})`);
  logger.log(`${cluster.name}: ${nodes.join(', ')}`);
  const tell = ({ changes }: ClusterEvents['topology'][0]) => {
    for (const { node, role, health, isLagging, reason } of changes) {
      const is = `${cluster.name}: ${node} (${role}) is ${health}${isLagging ? ' and lags' : ''}`;
      if (health === 'up' && !isLagging) logger.log(is);
      else logger.warn(reason === undefined ? is : `${is}: ${reason}`);
    }
  };
  cluster.on('topology', tell);
  cluster.on('failover', (event) => {
    const { cluster: name, step, elapsedMs, node, detail } = event;
    const after = elapsedMs > 0 ? ` after ${Math.round(elapsedMs)} ms` : '';
    const text = [`${name}: ${step}${node === undefined ? '' : ` (${node})`}${after}`, detail];
    const line = text.filter((part) => part !== undefined).join(': ');
    if (ALARMS.has(step)) logger.warn(line);
    else logger.log(line);
  });
  cluster.on('leak', (event) => {
    if (event.state === 'recovered') logger.log(describeLeak(event));
    else logger.warn(describeLeak(event));
  });
}
