import { request as requestPlain } from 'node:http';
import { request as requestTls } from 'node:https';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type { Clock } from '../clock.js';
import { toError } from '../errors.js';

export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  /** As `user:password`. */
  readonly auth?: string;
  readonly tls: TlsOptions;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
}

/** No answer came; unless `isSent`, the server has not had the question. */
export class NoAnswer extends Error {
  constructor(
    cause: unknown,
    readonly isSent: boolean,
  ) {
    super(toError(cause).message, { cause });
  }
}

const MOST_BYTES = 1024 * 1024;

/**
 * One request on a connection of its own. (`fetch` takes no certificates.)
 *
 * @throws NoAnswer
 */
export function ask(clock: Clock, { url, tls, timeoutMs, ...options }: HttpRequest): Promise<HttpAnswer> {
  const { method, auth, body, signal } = options;
  const content = body === undefined ? undefined : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const headers = content === undefined ? {} : jsonHeaders(content);
    const send = url.protocol === 'https:' ? requestTls : requestPlain;
    let isSent = false;
    const request = send(url, { method, agent: false, headers, signal, ...tls, ...(auth && { auth }) });
    const fail = (error: unknown) => {
      timeout.cancel();
      reject(new NoAnswer(error, isSent));
      request.destroy();
    };
    const late = () => fail(new Error(`no answer within ${timeoutMs} ms`));
    const timeout = clock.setTimer(late, timeoutMs, true);
    request.on('finish', () => (isSent = true));
    request.on('error', fail);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > MOST_BYTES) fail(new Error(`an answer of more than ${MOST_BYTES} bytes`));
        else chunks.push(chunk);
      });
      response.on('error', fail);
      response.on('end', () => {
        timeout.cancel();
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() });
      });
    });
    request.end(content);
  });
}

function jsonHeaders(content: string): Record<string, string | number> {
  return { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(content) };
}
