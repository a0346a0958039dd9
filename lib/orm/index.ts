export { ClusterPool } from './cluster-pool.js';
export type { ClusterPoolOptions } from './cluster-pool.js';
export { pgModule } from './pg-module.js';
export type { PgModule } from './pg-module.js';
