import { readFileSync } from 'node:fs';
import type { ClusterStatus, DoctorReport } from 'nestjs-pg-mcp';
import { loadSettings } from 'nestjs-pg-mcp';
import type { DrillReport } from 'nestjs-pg-mcp/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { configFile } from '../sample-app/running-app.js';
import { freshDatabase, type FreshDatabase } from '../support/cluster.js';
import { sure } from '../support/sure.js';
import { until } from '../support/until.js';
import { revealed } from '../config/revealed.js';
import { buildIfMissing, command, CommandRun } from './command.js';

let database: FreshDatabase;
let env: Readonly<Record<string, string>>;
/** With no secret in it, and what else the checklist asks for that would fail. */
let config: Awaited<ReturnType<typeof configFile>>;

beforeAll(async () => {
  await buildIfMissing();
  database = await freshDatabase();
  const { masters, replicas, monitor } = database.config;
  env = {
    APP_PASSWORD: sure(masters[0]).password,
    READ_PASSWORD: sure(replicas[0]).password,
    MONITOR_PASSWORD: monitor.password,
  };
  config = await configFile({
    masters: masters.map((node) => ({ ...node, password: '${APP_PASSWORD}' })),
    replicas: replicas.map((node) => ({ ...node, password: '${READ_PASSWORD}' })),
    monitor: { ...monitor, password: '${MONITOR_PASSWORD}' },
  });
  return () => config[Symbol.asyncDispose]();
});

/** Of a port where nobody listens. */
const dead = { host: '127.0.0.1', port: 1, user: 'app', password: '${APP_PASSWORD}', database: 'shop' };

describe('usage', () => {
  it('has help and a version, with code 0', async () => {
    const help = await command(['--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    for (const name of ['doctor', 'status', 'route', 'encrypt', 'drill', 'Exit codes'])
      expect(help.stdout).toContain(name);
    const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
    expect(await command(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n` });
  });

  it.each([
    ['an unknown command', ['docter'], /unknown command 'docter'/],
    ['no command', [], /Usage:/],
    ['an unknown option', ['doctor', '--jason'], /unknown option '--jason'/],
    ['a number that is none', ['doctor', '--processes', '0'], /whole number/],
    ['a duration that is none', ['status', '--interval', 'often'], /a duration like/],
    ['a fault that is none', ['drill', 'flood'], /kill-primary/],
    ['no such file', ['doctor', 'no/such/file.json'], /no\/such\/file\.json can't be used/],
  ])('%s: code 2', async (_what, args, complaint) => {
    expect(await command(args)).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(complaint),
    });
  });

  it('a configuration with faults: code 2, and all of them', async () => {
    await using faulty = await configFile({ masters: [], replicaz: [] });
    for (const args of [['doctor'], ['status']]) {
      const { code, stderr } = await command([...args, faulty.path]);
      expect(code).toBe(2);
      expect(stderr).toMatch(/masters.*\n.*replicaz|replicaz.*\n.*masters/s);
    }
  });
});

describe('doctor', () => {
  it('code 0 with nothing but warnings; the remedies stand below', async () => {
    const { code, stdout, stderr } = await command(['doctor', config.path], { env });
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^metrics\n  ▲ not looked at\n    → say where/m);
    expect(stdout).toMatch(/^  ✔ node2, node3: replica, PostgreSQL/m);
    expect(stdout).toMatch(/: \d+ passed, \d+ to know of, 0 failed\n$/);
  });

  it('code 1 for them with --strict; as JSON every item with its level', async () => {
    const flags = ['--strict', '--json', '--processes', '2'];
    const { code, stdout, stderr } = await command(['doctor', ...flags, config.path], { env });
    expect([code, stderr]).toEqual([1, '']);
    const report = JSON.parse(stdout) as DoctorReport;
    expect(report).toMatchObject({ source: config.path, level: 'warn', counts: { fail: 0 } });
    expect(new Set(report.findings.map(({ check }) => check)).size).toBe(16);
    for (const { level, remedy } of report.findings) expect(remedy === undefined).toBe(level === 'pass');
    expect(report.findings.find(({ check }) => check === 'pool-size')?.seen).toMatch(/^2 × 11/);
    for (const secret of Object.values(env)) expect(stdout).not.toContain(secret);
  });

  it('code 1 for secrets in the file, without telling them', async () => {
    await using plain = await configFile(database.config);
    const { code, stdout } = await command(['doctor', plain.path]);
    expect(code).toBe(1);
    expect(stdout).toContain('in plain text: masters[0].password, replicas[0].password');
    for (const secret of Object.values(env)) expect(stdout).not.toContain(secret);
  });

  it('code 1 where no node answers, the checklist gone through all the same', async () => {
    await using down = await configFile({ masters: [dead] });
    const { code, stdout, stderr } = await command(['doctor', down.path], { env });
    expect([code, stderr]).toEqual([1, '']);
    expect(stdout).toContain('✖ 127.0.0.1:1: does not answer: connect ECONNREFUSED');
    expect(stdout).toMatch(/^secrets\n  ✔/m);
  });
});

describe('status', () => {
  it('is a table of the nodes', async () => {
    const { code, stdout, stderr } = await command(['status', config.path], { env });
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^primary node1, timeline 1\n/);
    expect(stdout).toMatch(/│ node1 +│ primary │ up +│ no +│/);
    expect(stdout).toMatch(/│ node2 +│ replica │ up +│ yes +│ \d/);
  });

  it('as JSON is what getStatus() gives', async () => {
    const { code, stdout } = await command(['status', '--json', config.path], { env });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ primary: 'node1', state: 'ready', nodes: [{}, {}, {}] });
  });

  it('code 1 where the cluster can not start, with each node and why', async () => {
    await using down = await configFile({ masters: [dead] });
    const { code, stdout, stderr } = await command(['status', down.path], { env });
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/can't start \(1 attempt\):\n  - 127\.0\.0\.1:1: connect ECONNREFUSED/);
  });

  it('--watch goes on until Ctrl-C, code 0', async () => {
    await using run = new CommandRun(['status', '--watch', '--json', '--interval', '50ms', config.path], {
      env,
    });
    const lines = () => run.stdout.split('\n').slice(0, -1);
    await until(() => lines().length >= 3, { deadlineMs: 10_000, what: 'three lines' });
    run.process.kill('SIGINT');
    expect([await run.ended(), run.stderr]).toEqual([0, '']);
    for (const line of lines()) expect((JSON.parse(line) as ClusterStatus).primary).toBe('node1');
  });

  it('--watch ends when nobody reads any more, code 0', async () => {
    await using run = new CommandRun(['status', '--watch', '--interval', '50ms', config.path], { env });
    await until(() => run.stdout.split('primary node1').length > 2, {
      deadlineMs: 10_000,
      what: 'two tables',
    });
    run.process.stdout.destroy();
    expect([await run.ended(), run.stderr]).toEqual([0, '']);
  });
});

describe('route', () => {
  it('names the target, the node where there is but one, and why', async () => {
    const [read, write] = await Promise.all(
      ['SELECT 1', "SELECT nextval('s')"].map((sql) => command(['route', sql, config.path], { env })),
    );
    expect(read).toEqual({ code: 0, stdout: 'replica: read\n', stderr: '' });
    expect(write).toEqual({ code: 0, stdout: 'primary node1: sequence, nextval()\n', stderr: '' });
  });

  it('as JSON is what explainRoute() gives, and runs nothing', async () => {
    const { code, stdout } = await command(['route', '--json', 'DROP TABLE t', config.path], { env });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ target: 'primary', node: 'node1', reason: 'ddl', detail: 'Drop' });
  });
});

describe('encrypt', () => {
  const key = { PG_MCP_SECRET_KEY: 'a key of sixteen and more' };

  it('makes of the standard input what a configuration reads', async () => {
    const { code, stdout, stderr } = await command(['encrypt'], { stdin: 's3cret of mine\n', env: key });
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^\$\{enc:\S+\}\n$/);
    const masters = [{ host: 'db1', user: 'app', password: stdout.trim(), database: 'shop' }];
    expect(revealed(loadSettings({ masters }, {}, key))).toMatchObject({
      nodes: [{ accounts: { primary: { password: 's3cret of mine' } } }],
    });
  });

  it.each<[string, string[], string, Record<string, string>, RegExp]>([
    [
      'without a key',
      [],
      's3cret',
      { PG_MCP_SECRET_KEY: '' },
      /set PG_MCP_SECRET_KEY or PG_MCP_SECRET_KEY_FILE/,
    ],
    ['with a short one', [], 's3cret', { PG_MCP_SECRET_KEY: 'short' }, /at least 16/],
    ['with nothing to encrypt', [], '\n', key, /nothing to encrypt/],
    ['with the secret among the arguments', ['s3cret'], '', key, /too many arguments/],
  ])('%s: code 2', async (_what, args, stdin, env, complaint) => {
    const { code, stdout, stderr } = await command(['encrypt', ...args], { stdin, env });
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(complaint);
    expect(stderr).not.toContain('s3cret');
  });
});

describe('drill', () => {
  it('rehearses a fault on servers of its own, code 0', { timeout: 60_000 }, async () => {
    const run = await command(['drill', 'kill-replica', '--json']);
    expect(run.code, run.stderr).toBe(0);
    const [report] = JSON.parse(run.stdout) as DrillReport[];
    expect(report).toMatchObject({ fault: 'kill-replica', failedReads: [], lost: 0 });
    expect(run.stderr).toContain('kill-replica');
  });

  it('where no server can run: code 2', async () => {
    const run = await command(['drill', 'kill-replica'], { env: { TMPDIR: '/dev/null/folder' } });
    expect([run.code, run.stdout]).toEqual([2, '']);
    expect(run.stderr).toContain('/dev/null/folder');
  });
});
