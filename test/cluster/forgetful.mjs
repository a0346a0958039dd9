// A process of its own that ends with a lease in its hands.
import { PgCluster } from '../../dist-test/lib/index.js';

const [config, listens] = process.argv.slice(2).map((text) => JSON.parse(text));
const cluster = PgCluster.fromConfig(config, { leakDetection: { threshold: '1h' } });
if (listens) cluster.on('leak', (event) => console.log(JSON.stringify(event)));
await cluster.connect();

async function forget() {
  const lease = await cluster.getReplicaConnection();
  await lease.query('SELECT 7 AS seven');
}

await forget();
process.exit();
