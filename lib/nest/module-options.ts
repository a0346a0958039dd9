import { ConfigurableModuleBuilder } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { PgCluster } from '../cluster.js';
import type { ClusterConfig, ClusterOptions } from '../config/index.js';
import { ConfigError } from '../errors.js';
import { ClusterRegistry, ClusterRegistryModule } from './cluster-registry.js';
import { RequestScopeInterceptor } from './request-scope.js';
import { DEFAULT_CLUSTER, getClusterToken, OWN_CLUSTER, PG_MCP_OPTIONS } from './tokens.js';

/** Settings in camelCase, over those of the file. */
export interface PgMcpModuleOptions extends ClusterOptions {
  /** The path of a file in the shape of `config/db_cluster.json`, or an object of that shape. */
  readonly config?: string | ClusterConfig;
}

/** For `useClass` and `useExisting`. */
export interface PgMcpOptionsFactory {
  createPgMcpOptions(): PgMcpModuleOptions | Promise<PgMcpModuleOptions>;
}

export interface PgMcpModuleExtras {
  /** The cluster's name, for an application with several. */
  name?: string;
  /** Whether every module may inject the cluster without importing this one. */
  isGlobal?: boolean;
}

export const { ConfigurableModuleClass, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<PgMcpModuleOptions>({ optionsInjectionToken: PG_MCP_OPTIONS })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createPgMcpOptions')
    .setExtras<PgMcpModuleExtras>({ name: DEFAULT_CLUSTER, isGlobal: true }, (definition, extras) => {
      const { name = DEFAULT_CLUSTER, isGlobal = true } = extras;
      const token = getClusterToken(name);
      return {
        ...definition,
        global: isGlobal,
        imports: [...(definition.imports ?? []), ClusterRegistryModule],
        providers: [
          ...(definition.providers ?? []),
          {
            provide: token,
            // Whoever injects it gets it connected: an application that starts has its database.
            useFactory: (options: PgMcpModuleOptions, registry: ClusterRegistry) =>
              registry.start(createCluster(name, options)),
            inject: [PG_MCP_OPTIONS, ClusterRegistry],
          },
          { provide: OWN_CLUSTER, useExisting: token },
          {
            provide: APP_INTERCEPTOR,
            useFactory: (cluster: PgCluster) => new RequestScopeInterceptor(cluster),
            inject: [OWN_CLUSTER],
          },
        ],
        exports: [token],
      };
    })
    .build();

function createCluster(name: string, options: PgMcpModuleOptions): PgCluster {
  refuseWhatIsNoObject(options);
  const { config, ...over } = options;
  // Without a file the options are the whole configuration, and what is missing in them is its fault.
  const base = config ?? (over as ClusterConfig);
  return PgCluster.fromConfig(base, config === undefined ? {} : over, { name });
}

/** A factory in plain JavaScript, or one that forgot its `return`, gives anything. */
function refuseWhatIsNoObject(options: unknown): void {
  if (typeof options === 'object' && options !== null && !Array.isArray(options)) return;
  const found = options === null ? 'null' : Array.isArray(options) ? 'an array' : typeof options;
  const message = `expected an object, found ${found}; a path goes into { config: 'path' }`;
  throw new ConfigError('PgMcpModule', [{ path: 'options', message }]);
}
