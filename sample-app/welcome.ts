import type { ClusterStatus } from 'nestjs-pg-mcp';

const ROUTES = ['users/1', 'products?category=books&limit=5', 'cluster', 'health', 'health/live', 'metrics'];

/** What is printed after the start: where to look, and which servers answer. */
export function welcome(appUrl: string, database: string, { nodes }: ClusterStatus): string {
  const { port } = new URL(appUrl);
  const width = Math.max(...nodes.map(({ name }) => name.length));
  return [
    '',
    `order_system runs on ${database}:`,
    ...nodes.map(({ name, host, port, role }) => `  ${name.padEnd(width)}  ${host}:${port}  ${role}`),
    '',
    ...ROUTES.map((route) => `  http://localhost:${port}/${route}`),
    '',
    'Ctrl-C stops it.',
  ].join('\n');
}
