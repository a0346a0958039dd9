import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { PgCluster } from 'nestjs-pg-mcp';
import { AppModule } from './app.module.js';
import { welcome } from './welcome.js';
import { openDatabase } from './database.js';
import { readPort } from './port.js';

/** How long requests under way may take at the end. */
const HTTP_DRAIN_MS = 5_000;

class StopRequested extends Error {}

const stopRequested = new Promise<never>((_, reject) => {
  // Not `once`: a second Ctrl-C would end the process before everything is stopped.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => reject(new StopRequested()));
});
// The signal may come while nothing waits for it.
stopRequested.catch(() => {});

async function run(): Promise<void> {
  const port = readPort(process.env['PORT']);
  // It ends last: the application's connections close before the servers stop.
  await using database = await openDatabase(process.env['DB_CLUSTER_CONFIG']);
  const app = await Promise.race([createApp(database.config), stopRequested]);
  try {
    await app.listen(port);
    app.flushLogs();
    console.log(welcome(await app.getUrl(), database.name, app.get(PgCluster).getStatus()));
    await stopRequested;
  } finally {
    await close(app);
  }
}

function createApp(config: Parameters<typeof AppModule.on>[0]): Promise<NestExpressApplication> {
  return NestFactory.create<NestExpressApplication>(AppModule.on(config), {
    abortOnError: false,
    // Nest logs what makes a start fail with its stack: the buffer is shown only when the start succeeds.
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
    // An error with a code comes from the surroundings and says what is wrong; any other is a fault of the program.
    const isExpected = error instanceof Error && 'code' in error;
    console.error("order_system can't run:", isExpected ? error.message : error);
    process.exitCode = 1;
  }
}
process.exit();
