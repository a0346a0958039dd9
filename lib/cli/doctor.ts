import { PgCluster } from '../cluster.js';
import type { DoctorOptions } from '../doctor/examine.js';
import type { CheckName, DoctorReport, Finding, Level } from '../doctor/finding.js';
import { asJson, EXIT, type Outcome } from './outcome.js';
import { paint } from './paint.js';

export interface DoctorFlags extends DoctorOptions {
  readonly json: boolean;
  /** A warning is as bad as a failure. */
  readonly strict: boolean;
}

export async function doctor(config: string, { json, strict, ...options }: DoctorFlags): Promise<Outcome> {
  const report = await PgCluster.fromConfig(config).doctor(options);
  const isBad = report.level === 'fail' || (strict && report.level === 'warn');
  return { code: isBad ? EXIT.bad : EXIT.ok, text: json ? asJson(report) : asText(report) };
}

const MARKS: Readonly<Record<Level, string>> = {
  pass: paint('green', '✔'),
  warn: paint('yellow', '▲'),
  fail: paint('red', '✖'),
};

export function asText({ source, findings, counts }: DoctorReport): string {
  const byCheck = new Map<CheckName, Finding[]>();
  for (const finding of findings)
    byCheck.set(finding.check, [...(byCheck.get(finding.check) ?? []), finding]);
  const sections = [...byCheck].map(([check, found]) => `${paint('bold', check)}\n${linesOf(found)}`);
  const sum = `${source}: ${counts.pass} passed, ${counts.warn} to know of, ${counts.fail} failed`;
  return `${sections.join('\n')}\n\n${paint('bold', sum)}\n`;
}

/** What was found alike on several nodes is told once. */
function linesOf(findings: readonly Finding[]): string {
  const alike = new Map<string, { finding: Finding; nodes: string[] }>();
  for (const finding of findings) {
    const key = JSON.stringify([finding.level, finding.seen, finding.remedy]);
    const group = alike.get(key) ?? { finding, nodes: [] };
    if (finding.node !== undefined) group.nodes.push(finding.node);
    alike.set(key, group);
  }
  return [...alike.values()].map(({ finding, nodes }) => lineOf(finding, nodes)).join('\n');
}

function lineOf({ level, seen, remedy }: Finding, nodes: readonly string[]): string {
  const line = `  ${MARKS[level]} ${nodes.length === 0 ? '' : `${nodes.join(', ')}: `}${seen}`;
  return remedy === undefined ? line : `${line}\n    ${paint('dim', '→')} ${remedy}`;
}
