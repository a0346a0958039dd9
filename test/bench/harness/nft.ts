import { spawnSync } from 'node:child_process';
import type { Cut } from 'nestjs-pg-mcp/testing';

const TABLE = 'pg_mcp_drill';

/** Why no node can be cut off the network here; undefined where one can. */
export function whyNoNft(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'it takes root on Linux';
  for (const [program, option] of [
    ['nft', '--version'],
    ['unshare', '--version'],
    ['ip', '-V'],
  ] as const)
    if (spawnSync(program, [option]).status !== 0)
      return `it takes ${program} (Debian: nftables, util-linux, iproute2)`;
  return spawnSync('unshare', ['-n', 'true']).status === 0
    ? undefined
    : 'network namespaces are not allowed here';
}

/** Drops what goes to a node's port or comes from it, as a cable does that is pulled: nobody is told. */
export const cutByNft: Cut = async ({ port }) => {
  nft(`add table inet ${TABLE}`);
  nft(`add chain inet ${TABLE} output { type filter hook output priority 0; }`);
  nft(`add rule inet ${TABLE} output tcp dport ${port} drop`);
  nft(`add rule inet ${TABLE} output tcp sport ${port} drop`);
  return async () => nft(`delete table inet ${TABLE}`);
};

function nft(rule: string): void {
  const { status, stderr } = spawnSync('nft', [rule], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`nft ${rule}: ${stderr}`);
}
