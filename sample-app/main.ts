// First, so that a signal is heard from the beginning.
import { StopRequested, stopRequested } from './stop.js';
import { randomUUID } from 'node:crypto';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { PgCluster } from 'nestjs-pg-mcp';
import { AppModule } from './app.module.js';
import { openDatabase, type Database } from './database.js';
import { readPort } from './port.js';
import { welcome } from './welcome.js';

/** How long requests under way may take at the end. */
const HTTP_DRAIN_MS = 5_000;

async function run(): Promise<void> {
  // Several processes that serve the same users need the same one.
  process.env['PG_MCP_SESSION_SECRET'] ||= randomUUID();
  const port = readPort(process.env['PORT']);
  // It ends last: the application's connections close before the servers stop.
  await using database = await openDatabase(process.env['DB_CLUSTER_CONFIG']);
  const app = await Promise.race([createApp(database), stopRequested]);
  try {
    await app.listen(port);
    app.flushLogs();
    console.log(welcome(await app.getUrl(), database.name, app.get(PgCluster).getStatus()));
    await stopRequested;
  } finally {
    await close(app);
  }
}

function createApp({ config }: Database): Promise<NestExpressApplication> {
  return NestFactory.create<NestExpressApplication>(AppModule.on(config), {
    abortOnError: false,
    // Nest logs an error that stops the start with its stack. Unless the start succeeds, the buffer isn't shown.
    bufferLogs: true,
    autoFlushLogs: false,
  });
}

async function close(app: NestExpressApplication): Promise<void> {
  // A connection on which no request ever came, as browsers open them ahead, would be waited for without end.
  const cut = setTimeout(() => app.getHttpServer().closeAllConnections(), HTTP_DRAIN_MS);
  await app.close();
  clearTimeout(cut);
}

try {
  await run();
} catch (error) {
  if (!(error instanceof StopRequested)) {
    // An error with a code is of the surroundings and says what is wrong. Any other is a fault of the program.
    const isExpected = error instanceof Error && 'code' in error;
    console.error("order_system can't run:", isExpected ? error.message : error);
    process.exitCode = 1;
  }
}
// What was given up in mid-start may still hold connections.
process.exit();
