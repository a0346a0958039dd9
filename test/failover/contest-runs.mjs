// node test/failover/contest-runs.mjs [runs] [kill|freeze]: 2, 4 and 8 processes contend for one promotion, so many times.
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

const lib = (path) => fileURLToPath(new URL(`../../lib/${path}`, import.meta.url));
const alias = { 'nestjs-pg-mcp/testing': lib('testing/index.ts'), 'nestjs-pg-mcp': lib('index.ts') };
const test = (path) =>
  runnerImport(fileURLToPath(new URL(path, import.meta.url)), {
    configFile: false,
    logLevel: 'error',
    resolve: { alias },
  });
const { module } = await test('contest.ts');
await (await test('../support/children.ts')).module.compileForChildren();
const [runs = '20', how = 'kill'] = process.argv.slice(2);
const middle = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)].toFixed();
const range = (values) => `${middle(values)} (${values[0].toFixed()} to ${values.at(-1).toFixed()})`;

for (const contenders of [2, 4, 8]) {
  const results = [];
  for (let run = 0; run < Number(runs); run += 1) results.push(await module.contest(contenders, how));
  const good = results.filter(({ promoters, timelines }) => promoters === 1 && timelines.join() === '2');
  console.log(
    `${contenders} processes: exactly one promotion in ${good.length} of ${results.length} runs;`,
    `writable after ${range(results.map(({ promotedMs }) => promotedMs))} ms,`,
    `all have found it after ${range(results.map(({ foundMs }) => foundMs))} ms`,
  );
  for (const result of results) if (!good.includes(result)) console.log(result);
}
