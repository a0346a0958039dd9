export { ClusterPool } from './cluster-pool.js';
export type { ClusterPoolOptions } from './cluster-pool.js';
