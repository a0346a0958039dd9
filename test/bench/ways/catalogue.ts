import type { OpenWay } from './way.js';

export interface WayEntry {
  /** As the tables call it. */
  readonly label: string;
  /** Loaded by the process that runs it, and by no other. */
  load(): Promise<OpenWay>;
}

const WAYS = {
  pool: { label: '`pg.Pool`', load: async () => (await import('./pg-pool.js')).openPool },
  prepared: {
    label: '`pg.Pool`, prepared names',
    load: async () => (await import('./pg-pool.js')).openPreparedPool,
  },
  pools: {
    label: 'round robin by hand, a `pg.Pool` each',
    load: async () => (await import('./pg-pool.js')).openPools,
  },
  pipelined: {
    label: '4 pipelined `pg.Client`s, prepared names',
    load: async () => (await import('./pipelined.js')).openPipelined,
  },
  ours: { label: 'nestjs-pg-mcp', load: async () => (await import('./ours.js')).openOurs },
  'ours-scope': {
    label: 'nestjs-pg-mcp, in `useReplica`',
    load: async () => (await import('./ours.js')).openOursInScope,
  },
  'least-pools': {
    label: 'fewest under way by hand, a `pg.Pool` each',
    load: async () => (await import('./least-outstanding.js')).openLeastOutstandingPools,
  },
  'least-ours': {
    label: 'fewest under way by hand, a nestjs-pg-mcp each',
    load: async () => (await import('./least-outstanding.js')).openLeastOutstandingOurs,
  },
  pgpool: {
    label: '`pg.Pool`, through Pgpool-II',
    load: async () => (await import('./pg-pool.js')).openThroughProxy,
  },
  'postgres-js': {
    label: '`postgres`, to the replica',
    load: async () => (await import('./peers/postgres-js.js')).openPostgresJs,
  },
  'typeorm-raw': {
    label: 'TypeORM `replication`, raw',
    load: async () => (await import('./peers/typeorm.js')).openTypeOrmRaw,
  },
  'typeorm-repository': {
    label: 'TypeORM `replication`, repository',
    load: async () => (await import('./peers/typeorm.js')).openTypeOrmRepository,
  },
  drizzle: {
    label: 'Drizzle `withReplicas`',
    load: async () => (await import('./peers/drizzle.js')).openDrizzle,
  },
  sequelize: {
    label: 'Sequelize `replication`, raw',
    load: async () => (await import('./peers/sequelize.js')).openSequelize,
  },
  prisma: {
    label: 'Prisma, read replicas extension',
    load: async () => (await import('./peers/prisma.js')).openPrisma,
  },
} satisfies Record<string, WayEntry>;

export type WayName = keyof typeof WAYS;

export function findWay(name: string): WayEntry {
  const way = Object.entries(WAYS).find(([known]) => known === name)?.[1];
  if (!way) throw new Error(`there is no way ${name}`);
  return way;
}
