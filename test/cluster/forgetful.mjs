// A process of its own that ends with a lease in its hands, from the TypeScript sources.
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

const source = fileURLToPath(new URL('../../lib/index.ts', import.meta.url));
const { module } = await runnerImport(source, { configFile: false, logLevel: 'error' });
const [config, listens] = process.argv.slice(2).map((text) => JSON.parse(text));
const cluster = module.PgCluster.fromConfig(config, { leakDetection: { threshold: '1h' } });
if (listens) cluster.on('leak', (event) => console.log(JSON.stringify(event)));
await cluster.connect();

async function forget() {
  const lease = await cluster.getReplicaConnection();
  await lease.query('SELECT 7 AS seven');
}

await forget();
process.exit();
