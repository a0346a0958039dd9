import type { OpenWay } from './way.js';

export interface WayEntry {
  /** As the tables call it. */
  readonly label: string;
  /** Loaded by the process that runs it, and by no other. */
  load(): Promise<OpenWay>;
}

/** What a module of an ORM has. */
interface OrmWays {
  readonly openOverPool: OpenWay;
  readonly openOverCluster: OpenWay;
  /** By a feature of its own. */
  readonly openReplicas?: OpenWay;
}

function orm<N extends string>(name: N, label: string, load: () => Promise<OrmWays>) {
  const entry = (over: string, key: keyof OrmWays): WayEntry => ({
    label: `${label}, ${over}`,
    load: async () => {
      const open = (await load())[key];
      if (!open) throw new Error(`${label} has no feature for replicas`);
      return open;
    },
  });
  return {
    [`${name}-pool`]: entry('over `pg.Pool`', 'openOverPool'),
    [`${name}-cluster`]: entry('over `cluster.pool`', 'openOverCluster'),
    [`${name}-replicas`]: entry('its own replicas', 'openReplicas'),
  } as Record<`${N}-${'pool' | 'cluster' | 'replicas'}`, WayEntry>;
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
  'ours-lease': {
    label: 'nestjs-pg-mcp, a lease for each',
    load: async () => (await import('./leases.js')).openLeases,
  },
  'ours-lease-watched': {
    label: 'nestjs-pg-mcp, a lease for each, watched',
    load: async () => (await import('./leases.js')).openWatchedLeases,
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
    load: async () => (await import('./orm/typeorm.js')).openReplicasRaw,
  },
  'sequelize-raw': {
    label: 'Sequelize `replication`, raw',
    load: async () => (await import('./orm/sequelize.js')).openReplicasRaw,
  },
  ...orm('typeorm', 'TypeORM, repository', () => import('./orm/typeorm.js')),
  ...orm('drizzle', 'Drizzle', () => import('./orm/drizzle.js')),
  ...orm('kysely', 'Kysely', () => import('./orm/kysely.js')),
  ...orm('prisma', 'Prisma', () => import('./orm/prisma.js')),
  ...orm('mikro-orm', 'MikroORM', () => import('./orm/mikro-orm.js')),
  ...orm('sequelize', 'Sequelize, model', () => import('./orm/sequelize.js')),
  ...orm('knex', 'Knex', () => import('./orm/knex.js')),
} satisfies Record<string, WayEntry>;

export type WayName = keyof typeof WAYS;

export function findWay(name: string): WayEntry {
  const way = Object.entries(WAYS).find(([known]) => known === name)?.[1];
  if (!way) throw new Error(`there is no way ${name}`);
  return way;
}
