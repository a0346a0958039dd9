import { describeError } from '../errors.js';
import type { MetricsFacts } from './facts.js';

const POOL_SIZE = /^db_pool_size(\{|\s)/m;

/** Asks for the metrics as Prometheus does. Of the URL only what holds no secret is told. */
export async function readMetrics(given: string, timeoutMs: number): Promise<MetricsFacts> {
  if (!URL.canParse(given)) return { url: 'the metrics', unseen: 'that is no URL' };
  const { username, password, origin, pathname, href } = new URL(given);
  const url = `${origin}${pathname}`;
  const target = new URL(href);
  // fetch takes none in the URL.
  target.username = target.password = '';
  const credentials = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`);
  const headers = username === '' ? {} : { Authorization: `Basic ${credentials.toString('base64')}` };
  try {
    const answer = await fetch(target, { headers, signal: AbortSignal.timeout(timeoutMs) });
    return { url, status: answer.status, hasPoolSize: POOL_SIZE.test(await answer.text()) };
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    return { url, unseen: describeError(cause) };
  }
}
