import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ExecutionContext } from '@nestjs/common';
import { RequestScope } from 'nestjs-pg-mcp';
import { defer, firstValueFrom, from, lastValueFrom, NEVER, of, throwError } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { requestScopeMiddleware, RequestScopeInterceptor } from '../../lib/nest/request-scope.js';
import { fakeCluster, type FakeCluster } from '../execution/fake-cluster.js';

let fake: FakeCluster;

beforeEach(async () => {
  fake = await fakeCluster();
});
afterEach(() => fake.cluster.close());

const message = {} as ExecutionContext;
const active = () => fake.cluster.getStatus().activeConnections;
const takeAndForget = async () => {
  const lease = await fake.cluster.getMasterConnection();
  return `${fake.cluster.isInRequest} ${lease.node}`;
};

describe('a message, of which no middleware hears', () => {
  const intercept = (handle: () => ReturnType<RequestScopeInterceptor['intercept']>) =>
    new RequestScopeInterceptor(fake.cluster).intercept(message, { handle });

  it('has its scope, and forgotten leases come back with the answer', async () => {
    // As Nest does: the handler starts in the context in which `handle` was called.
    const answer = intercept(() => from(takeAndForget()));
    expect(await lastValueFrom(answer)).toBe('true p');
    await expect.poll(active).toBe(0);
    expect(fake.cluster.isInRequest).toBe(false);
  });

  it.each([
    ['fails', () => throwError(() => new RangeError('on purpose'))],
    ['is left', () => NEVER],
  ])('gives them back when it %s', async (_how, then) => {
    const taking: Promise<string>[] = [];
    const answer = intercept(() => {
      taking.push(takeAndForget());
      return defer(then);
    });
    await Promise.all(taking);
    expect(active()).toBe(1);
    answer.subscribe({ error: () => {} }).unsubscribe();
    await expect.poll(active).toBe(0);
  });

  it('within a request goes on in the scope of that', async () => {
    const request = new RequestScope();
    const answer = fake.cluster.runInRequest(request, () => intercept(() => from(takeAndForget())));
    await firstValueFrom(answer);
    expect(active()).toBe(1);
    await request.end();
    expect(active()).toBe(0);
  });

  it('passes values as they are', async () => {
    expect(await lastValueFrom(intercept(() => of(5)))).toBe(5);
  });
});

describe('the middlewares of two clusters', () => {
  it('open a scope in each, and end both with the response', async () => {
    await using other = await fakeCluster();
    const request = { headers: {} } as IncomingMessage;
    const response = Object.assign(new EventEmitter(), { writableFinished: true, writeHead: () => {} });
    const leases: Promise<unknown>[] = [];
    requestScopeMiddleware(fake.cluster)(request, response as unknown as ServerResponse, () =>
      requestScopeMiddleware(other.cluster)(request, response as unknown as ServerResponse, () => {
        leases.push(takeAndForget(), other.cluster.getReplicaConnection());
      }),
    );
    await Promise.all(leases);
    const both = () => [active(), other.cluster.getStatus().activeConnections];
    expect(both()).toEqual([1, 1]);
    response.emit('close');
    await expect.poll(both).toEqual([0, 0]);
  });
});
