import { tls } from './node-schema.js';
import { type Path, formatPath, isRecord } from './path.js';
import { tlsFaults } from './tls-section.js';

/** What the checks need of zod's context. */
interface Report {
  addIssue(issue: { code: 'custom'; message: string; path: PropertyKey[] }): void;
}

/**
 * The checks that need more than one field. They also run where other fields have faults, so each
 * looks at `value` as at a thing of which any part may be missing or wrong.
 */
export function crossChecks(value: unknown, report: Report): void {
  if (!isRecord(value)) return;
  const fault = (path: Path, message: string) =>
    report.addIssue({ code: 'custom', path: [...path], message });
  checkPool(value['connection_pool'], fault);
  checkAccount(value['monitor'], ['monitor'], fault);
  checkFailover(value['failover'], fault);
  const nodes = [...listed(value, 'masters'), ...listed(value, 'replicas')];
  checkNodes(nodes, fault);
  checkTls(value['ssl'], [], fault);
  for (const { node, path } of nodes) checkTls(node['ssl'], path, fault);
}

type Fault = (path: Path, message: string) => void;

function checkPool(pool: unknown, fault: Fault): void {
  if (!isRecord(pool)) return;
  const { min_connections: min, max_connections: max } = pool;
  if (typeof min !== 'number' || typeof max !== 'number' || min <= max) return;
  fault(['connection_pool', 'min_connections'], `${min} is more than max_connections, which is ${max}`);
}

function checkAccount(section: unknown, path: Path, fault: Fault): void {
  if (!isRecord(section) || section['password'] === undefined || section['user'] !== undefined) return;
  const user = formatPath([...path, 'user']);
  fault([...path, 'password'], `has no account to go with: ${user} is missing`);
}

function checkFailover(failover: unknown, fault: Fault): void {
  if (!isRecord(failover) || !isRecord(failover['patroni'])) return;
  const path = ['failover', 'patroni'];
  checkAccount(failover['patroni'], path, fault);
  const { urls, ssl } = failover['patroni'];
  checkTls(ssl, path, fault);
  if (isRecord(ssl) && ssl['mode'] === 'disable')
    fault([...path, 'ssl', 'mode'], 'for an API without TLS write http:// in failover.patroni.urls');
  if (failover['mode'] !== 'patroni' || !Array.isArray(urls) || urls.length > 0) return;
  fault([...path, 'urls'], 'the mode patroni needs at least one');
}

function checkTls(ssl: unknown, parent: Path, fault: Fault): void {
  if (!tls.safeParse(ssl).success) return;
  for (const { path, message } of tlsFaults(ssl))
    fault([...parent, 'ssl', ...(path === '' ? [] : [path])], message);
}

interface ListedNode {
  readonly path: Path;
  readonly node: Record<string, unknown>;
}

function checkNodes(nodes: readonly ListedNode[], fault: Fault): void {
  const addresses = new Map<string, string>();
  const names = new Map<string, string>();
  for (const { path, node } of nodes) {
    const { host, port, name } = node;
    if (typeof host !== 'string' || typeof port !== 'number') continue;
    const address = nodeAddress(host.toLowerCase(), port);
    const twin = addresses.get(address);
    if (twin !== undefined) {
      fault(path, `the same host and port as ${twin}; list each node once`);
      continue;
    }
    addresses.set(address, formatPath(path));

    const known = typeof name === 'string' ? name : nodeAddress(host, port);
    const namesake = names.get(known);
    if (namesake !== undefined) fault([...path, 'name'], `${namesake} has the same name`);
    names.set(known, formatPath(path));
  }
}

function listed(value: Record<string, unknown>, list: 'masters' | 'replicas'): ListedNode[] {
  const nodes = value[list];
  if (!Array.isArray(nodes)) return [];
  return nodes.flatMap((node: unknown, index) => (isRecord(node) ? [{ path: [list, index], node }] : []));
}

/** `db1:5432`; an IPv6 address stands in brackets. */
export function nodeAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
