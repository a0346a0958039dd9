import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AppModule } from '../../sample-app/app.module.js';

export interface Answer {
  readonly status: number;
  readonly text: string;
  /** What the text holds as JSON. */
  readonly body: unknown;
}

/** Asks a running sample. What is given as text is sent as it is; anything else as JSON. */
export async function ask(url: string, path: string, body?: unknown): Promise<Answer> {
  const response = await fetch(
    `${url}${path}`,
    body === undefined
      ? {}
      : {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: typeof body === 'string' ? body : JSON.stringify(body),
        },
  );
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') ?? false;
  return { status: response.status, text, body: isJson ? (JSON.parse(text) as unknown) : undefined };
}

/** The path of a file with a cluster's configuration, and how to remove it. */
export async function configFile(config: unknown): Promise<AsyncDisposable & { readonly path: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'sample-app-'));
  const path = join(folder, 'db_cluster.json');
  await writeFile(path, JSON.stringify(config));
  return { path, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

/** The sample within this process, on a free port. */
export async function startInProcess(configPath: string): Promise<{ app: INestApplication; url: string }> {
  const app = await NestFactory.create(AppModule.on(configPath), { logger: false, abortOnError: false });
  await app.listen(0);
  const { port } = (app.getHttpServer() as Server).address() as AddressInfo;
  return { app, url: `http://127.0.0.1:${port}` };
}
