import Table from 'cli-table3';
import yoctoSpinner from 'yocto-spinner';
import { PgCluster } from '../cluster.js';
import { describeError } from '../errors.js';
import type { DrillReport, EmbeddedCluster, FaultName } from '../testing/index.js';
import { asJson, EXIT, UnusableError, type Outcome } from './outcome.js';

export interface DrillFlags {
  readonly json: boolean;
  /** Without synchronous replication. */
  readonly async: boolean;
}

/** Rehearses faults, each on an embedded cluster of its own, so that none has the last one's traces. */
export async function drill(faults: readonly FaultName[], { json, async }: DrillFlags): Promise<Outcome> {
  const reports: DrillReport[] = [];
  for (const fault of faults) {
    const spinner = yoctoSpinner({ text: fault }).start();
    try {
      reports.push(await rehearse(fault, async));
      spinner.success();
    } catch (error) {
      spinner.error();
      throw error;
    }
  }
  const isBad = reports.some(({ failedReads, lost }) => failedReads.length > 0 || (lost > 0 && !async));
  return { code: isBad ? EXIT.bad : EXIT.ok, text: json ? asJson(reports) : asText(reports) };
}

async function rehearse(fault: FaultName, async: boolean): Promise<DrillReport> {
  const testing = await import('../testing/index.js');
  await using servers = await startServers(testing.EmbeddedCluster, async);
  await using cluster = PgCluster.fromConfig(servers.config, {
    healthCheck: { interval: '250ms', timeout: '1s' },
    failover: { mode: fault === 'promote-other' ? 'follow' : 'promote' },
  });
  await cluster.connect();
  return await testing.drill({ servers, cluster }, { fault });
}

async function startServers(Embedded: typeof EmbeddedCluster, async: boolean): Promise<EmbeddedCluster> {
  const settings = async ? {} : { synchronous_standby_names: 'ANY 1 (*)' };
  try {
    return await Embedded.start({ replicas: 2, settings });
  } catch (error) {
    throw new UnusableError(describeError(error), { cause: error });
  }
}

function asText(reports: readonly DrillReport[]): string {
  const ms = (value: number | undefined) => (value === undefined ? '–' : `${Math.round(value)} ms`);
  const table = new Table({
    head: [
      'fault',
      'noticed',
      'promoted',
      'first write',
      'longest write',
      'failed reads',
      'failed writes',
      'lost',
    ],
    style: { head: [], border: [], compact: true },
  });
  table.push(
    ...reports.map((report) => [
      report.title,
      ms(report.detectionMs),
      ms(report.promotionMs),
      ms(report.firstWriteMs),
      ms(report.longestWriteMs),
      `${report.failedReads.length} of ${report.reads}`,
      `${report.failedWrites.length} of ${report.writes}`,
      `${report.lost}`,
    ]),
  );
  return `${table.toString()}\n`;
}
