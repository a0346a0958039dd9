export type { EmbeddedClusterConfig, EmbeddedNodeEntry } from './cluster-config.js';
export { EmbeddedCluster } from './embedded-cluster.js';
export type { EmbeddedClusterOptions, EmbeddedDatabase } from './embedded-cluster.js';
export type { EmbeddedNode } from './embedded-node.js';
export { FakeConnection, FakeDriver } from './fake-driver.js';
export type { FakeAnswer, HeldAttempt } from './fake-driver.js';
export { ManualClock } from './manual-clock.js';
