import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { PgCluster, type ClusterOptions } from 'nestjs-pg-mcp';
import { drill, EmbeddedCluster, type DrillReport, type FaultName } from 'nestjs-pg-mcp/testing';
import { asMarkdown, asText, type Table } from './harness/table.js';
import { cutByNft, whyNoNft } from './harness/nft.js';

// npm run drill [-- fault … [--async] [--rounds 3] [--markdown] [--verbose]]
const OWN_NETWORK = 'PG_MCP_DRILL_NETWORK';
const ORDER: readonly FaultName[] = [
  'kill-primary',
  'freeze-primary',
  'cut-primary',
  'kill-replica',
  'freeze-replica',
  'switchover',
  'promote-other',
];

const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    async: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '1' },
    markdown: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
});

async function main(): Promise<void> {
  const faults = positionals.length > 0 ? (positionals as FaultName[]) : ORDER;
  const unknown = faults.filter((fault) => !ORDER.includes(fault));
  if (unknown.length > 0) throw new Error(`no fault ${unknown.join(', ')}; there are ${ORDER.join(', ')}`);
  const reports: DrillReport[] = [];
  for (const fault of faults) {
    const why = fault === 'cut-primary' ? whyNoNft() : undefined;
    if (why !== undefined) say(`${fault}: left out, ${why}`);
    else for (let round = 0; round < Number(given.rounds); round++) reports.push(await rehearse(fault));
  }
  const table = tableOf(reports);
  console.log(`${availableParallelism()} cores, Node ${process.versions.node}`);
  console.log(given.markdown ? asMarkdown(table) : asText(table));
}

/** On servers of its own, so that none has the last fault's traces. */
async function rehearse(fault: FaultName): Promise<DrillReport> {
  say(`${fault} …`);
  const settings = given.async ? {} : { synchronous_standby_names: 'ANY 1 (*)' };
  const servers = await EmbeddedCluster.start({ replicas: 2, settings });
  const options: ClusterOptions = {
    healthCheck: { interval: '250ms', timeout: '1s' },
    failover: { mode: fault === 'promote-other' ? 'follow' : 'promote' },
  };
  const cluster = PgCluster.fromConfig(servers.config, options);
  try {
    await cluster.connect();
    const report = await drill({ servers, cluster }, { fault, cut: cutByNft });
    if (given.verbose) for (const event of report.steps) say(JSON.stringify(event));
    for (const { kind, failure, beganAt, endedAt } of [...report.failedReads, ...report.failedWrites].slice(
      0,
      10,
    ))
      say(`  a ${kind} failed after ${Math.round(endedAt - beganAt)} ms: ${failure}`);
    return report;
  } finally {
    await cluster.close();
    await servers.stop();
  }
}

function tableOf(reports: readonly DrillReport[]): Table {
  const ms = (value: number | undefined) => (value === undefined ? '–' : `${Math.round(value)} ms`);
  return {
    title: `Faults under 16 writers and 64 readers, ${given.async ? 'asynchronous replication' : "synchronous_standby_names = 'ANY 1 (*)'"}`,
    columns: [
      'fault',
      'noticed',
      'promoted',
      'first write',
      'longest write',
      'failed reads',
      'failed writes',
      'acknowledged writes lost',
    ],
    rows: reports.map((report) => [
      report.title,
      ms(report.detectionMs),
      ms(report.promotionMs),
      ms(report.firstWriteMs),
      ms(report.longestWriteMs),
      `${report.failedReads.length} of ${report.reads}`,
      `${report.failedWrites.length} of ${report.writes}`,
      `${report.lost}`,
    ]),
    notes: [],
  };
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** In a network of its own nothing that is cut off is anybody else's. */
function inOwnNetwork(): boolean {
  if (process.env[OWN_NETWORK] !== undefined || whyNoNft() !== undefined) return false;
  const script = fileURLToPath(import.meta.url);
  const command = ['-n', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh', process.execPath, script];
  const { status } = spawnSync('unshare', [...command, ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: { ...process.env, [OWN_NETWORK]: 'own' },
  });
  process.exitCode = status ?? 1;
  return true;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

if (!inOwnNetwork()) await main();
