import { PgCluster, type ClusterConfig, type ClusterOptions } from '../../lib/index.js';
import { pgDriver } from '../../lib/pool/pg-driver.js';
import type { Driver } from '../../lib/pool/driver.js';
import { toStatement } from '../../lib/query.js';

export interface ContenderOrder {
  readonly config: ClusterConfig;
  readonly options: ClusterOptions;
  /** Where it kills itself: at a statement of its failover that has these words, for the nth time. */
  readonly death?: Death;
}

export interface Death {
  readonly when: 'before' | 'after';
  readonly words: string;
  readonly nth: number;
}

/** Tells its parent that it is connected, and every step; ends when its standard input does. */
export async function contend({ config, options, death }: ContenderOrder): Promise<void> {
  const tell = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`);
  const cluster = PgCluster.fromConfig(config, options, { driver: death ? mortal(death) : pgDriver });
  cluster.on('failover', tell);
  await cluster.connect();
  tell({ step: 'connected' });
  process.stdin.resume().on('end', () => void cluster.close());
}

function mortal({ when, words, nth }: Death): Driver {
  const pattern = new RegExp(words);
  let count = 0;
  return {
    async connect(options, clock, signal) {
      const connection = await pgDriver.connect(options, clock, signal);
      if (!options.applicationName.endsWith(' failover')) return connection;
      const query = connection.query.bind(connection);
      connection.query = async (statement, values) => {
        const isIt = pattern.test(toStatement(statement, values).text) && (count += 1) === nth;
        if (isIt && when === 'before') process.kill(process.pid, 'SIGKILL');
        const result = await query(statement, values);
        if (isIt) process.kill(process.pid, 'SIGKILL');
        return result as never;
      };
      return connection;
    },
  };
}
