import { PgCluster, UseMaster, UseReplica, type Lease, type QueryResult } from 'nestjs-pg-mcp';
import { of, type Observable } from 'rxjs';
import { describe, expectTypeOf, it } from 'vitest';

interface User {
  readonly id: number;
}

// Nothing here runs against a cluster: the compiler is what is asked.
const calls = (cluster: PgCluster) => ({
  rows: () => cluster.query<User>('SELECT id FROM users'),
  promise: () => cluster.useReplica(async () => 5),
  withOptions: () => cluster.useReplica({ maxLag: '2s' }, async () => 'text'),
  plain: () => cluster.useMaster(() => 5),
  observable: () => cluster.useReplica(() => of(1)),
  transaction: () => cluster.transaction(async () => 5),
  plainTransaction: () => cluster.transaction(() => 5),
  emptyTransaction: () => cluster.transaction({ isolation: 'serializable', retry: 3 }, () => {}),
  observableTransaction: () => cluster.transaction(() => of(1)),
  generatorTransaction: () =>
    cluster.transaction(async function* () {
      yield 1;
    }),
  lease: () => cluster.getReplicaConnection(),
});
type Calls = ReturnType<typeof calls>;

async function within<T>(cluster: PgCluster, work: () => Promise<T>): Promise<T> {
  return cluster.transaction(work);
}

class Service {
  @UseReplica({ maxLag: '500ms' })
  async read(id: number): Promise<User | undefined> {
    return { id };
  }

  @UseMaster({ transaction: { isolation: 'repeatable read' }, cluster: 'other' })
  write<T extends User>(user: T): Promise<T> {
    return Promise.resolve(user);
  }
}

describe('the types', () => {
  it('say what comes back', () => {
    expectTypeOf<Calls['rows']>().returns.resolves.toEqualTypeOf<QueryResult<User>>();
    expectTypeOf<Calls['promise']>().returns.toEqualTypeOf<Promise<number>>();
    expectTypeOf<Calls['withOptions']>().returns.toEqualTypeOf<Promise<string>>();
    expectTypeOf<Calls['plain']>().returns.toEqualTypeOf<number>();
    expectTypeOf<Calls['observable']>().returns.toEqualTypeOf<Observable<number>>();
    expectTypeOf<Calls['lease']>().returns.resolves.toEqualTypeOf<Lease>();
  });

  it('say that a transaction of a plain function gives a promise', () => {
    expectTypeOf<Calls['transaction']>().returns.toEqualTypeOf<Promise<number>>();
    expectTypeOf<Calls['plainTransaction']>().returns.toEqualTypeOf<Promise<number>>();
    expectTypeOf<Calls['emptyTransaction']>().returns.toEqualTypeOf<Promise<void>>();
    expectTypeOf<Calls['observableTransaction']>().returns.toEqualTypeOf<Observable<number>>();
    expectTypeOf<Calls['generatorTransaction']>().returns.toExtend<AsyncGenerator<number>>();
    expectTypeOf(within<User>).returns.toEqualTypeOf<Promise<User>>();
  });

  it('of decorated methods are their own', () => {
    expectTypeOf<Service['read']>().toEqualTypeOf<(id: number) => Promise<User | undefined>>();
    expectTypeOf<Service['write']>().toEqualTypeOf<<T extends User>(user: T) => Promise<T>>();
  });

  it('refuse options that are none', () => {
    const wrong = (cluster: PgCluster) => [
      // @ts-expect-error no such choice
      cluster.useReplica({ onUnavailable: 'panic' }, () => 5),
      // @ts-expect-error no such level
      cluster.transaction({ isolation: 'chaos' }, () => 5),
      // @ts-expect-error no such option
      UseMaster({ maxLag: '5s' }),
    ];
    expectTypeOf(wrong).toBeFunction();
  });
});
