// A process of its own that starts a cluster and tells its parent what it started.
// `stay` then lives on until it is killed; `leave` has nothing more to do and must end by itself.
import { dirname } from 'node:path';
import { EmbeddedCluster } from '../../dist-test/lib/testing.js';

const cluster = await EmbeddedCluster.start({ replicas: 1 });
await cluster.replicas[0].kill();
await cluster.primary.freeze();
console.log(JSON.stringify({ folder: dirname(dirname(cluster.primary.dataFolder)) }));
if (process.argv[2] === 'stay') setInterval(() => {}, 60_000);
