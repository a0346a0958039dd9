// A process of its own that contends for the promotion, from the TypeScript sources.
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

const source = fileURLToPath(new URL('contender.ts', import.meta.url));
const { module } = await runnerImport(source, { configFile: false, logLevel: 'error' });
await module.contend(JSON.parse(process.argv[2]));
