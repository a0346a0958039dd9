import { readFileSync } from 'node:fs';
import { Argument, Command, InvalidArgumentError } from 'commander';
import { parseDuration } from '../duration.js';
import type { FaultName } from '../testing/index.js';
import type { DoctorFlags } from './doctor.js';
import type { DrillFlags } from './drill.js';
import type { Outcome } from './outcome.js';
import type { StatusFlags } from './status.js';

const CONFIG = new Argument('[config]', 'the configuration').default('config/db_cluster.json');

/** Those that take no rights on the machine's network. */
const REHEARSED: readonly FaultName[] = [
  'kill-primary',
  'freeze-primary',
  'kill-replica',
  'freeze-replica',
  'switchover',
  'promote-other',
];

const EXIT_CODES = `
Exit codes:
  0  all is as it should be
  1  the cluster, or a finding, is not
  2  wrong usage or configuration, or something is missing that the command needs`;

type Finish = (outcome: Outcome) => void;

/**
 * The commands; each is loaded when it is called, and tells its outcome. What is no command or option throws commander's
 * own error.
 */
export function createProgram(finish: Finish): Command {
  const program = new Command('nestjs-pg-mcp')
    .description('Looks after a PostgreSQL primary and its replicas.')
    .version(ownVersion())
    .exitOverride()
    .addHelpText('after', EXIT_CODES);
  for (const add of [addDoctor, addStatus, addRoute, addEncrypt, addDrill]) add(program, finish);
  return program;
}

function addDoctor(program: Command, finish: Finish): void {
  program
    .command('doctor')
    .description('goes through the checklist for production; writes nothing')
    .addArgument(CONFIG)
    .option('--json', 'as JSON', false)
    .option('--strict', 'exit code 1 for a warning too', false)
    .option('--processes <number>', 'how many run with it; else those connected are counted', wholeNumber)
    .option('--metrics-url <url>', "where the application's metrics are")
    .option(
      '--middlebox-timeout <duration>',
      'a firewall forgets what is quiet for longer',
      aDuration,
      '350s',
    )
    .action(async (config: string, flags: DoctorFlags) => {
      const { doctor } = await import('./doctor.js');
      finish(await doctor(config, flags));
    });
}

function addStatus(program: Command, finish: Finish): void {
  program
    .command('status')
    .description('shows every node')
    .addArgument(CONFIG)
    .option('--json', 'as JSON; with --watch one line each time', false)
    .option('-w, --watch', 'again and again, until Ctrl-C', false)
    .option('--interval <duration>', 'how often', aDuration, '1s')
    .action(async (config: string, flags: StatusFlags) => {
      const { status } = await import('./status.js');
      finish(await status(config, flags));
    });
}

function addRoute(program: Command, finish: Finish): void {
  program
    .command('route')
    .description('says where a statement would go, and why, without running it')
    .argument('<sql>', 'the statement')
    .addArgument(CONFIG)
    .option('--json', 'as JSON', false)
    .action(async (sql: string, config: string, flags: { readonly json: boolean }) => {
      const { route } = await import('./route.js');
      finish(await route(sql, config, flags));
    });
}

function addEncrypt(program: Command, finish: Finish): void {
  program
    .command('encrypt')
    .description('makes a ${enc:…} of the secret on the standard input, by the key in PG_MCP_SECRET_KEY')
    .action(async () => {
      const { encrypt } = await import('./encrypt.js');
      finish(await encrypt());
    });
}

function addDrill(program: Command, finish: Finish): void {
  program
    .command('drill')
    .description('rehearses faults under load on an embedded cluster')
    .addArgument(new Argument('[faults...]', 'which; all unless given').choices(REHEARSED))
    .option('--async', 'without synchronous replication', false)
    .option('--json', 'as JSON', false)
    .action(async (faults: readonly FaultName[], flags: DrillFlags) => {
      const { drill } = await import('./drill.js');
      finish(await drill(faults.length > 0 ? faults : REHEARSED, flags));
    });
}

function ownVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return String(version);
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('expected a whole number of at least 1');
  return value;
}

function aDuration(text: string): string {
  if (parseDuration(text)) return text;
  throw new InvalidArgumentError("expected a duration like '350s'");
}
