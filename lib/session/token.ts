import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Lsn } from '../lsn.js';

/** How far a session has come, for another process to go on from. */
export interface SessionToken {
  /** The cluster's system identifier; empty where it can't be read. */
  readonly systemId: string;
  readonly timeline: number;
  /** Undefined: it has written, and where is not known yet. */
  readonly lsn: Lsn | undefined;
}

const FORM = /^v1\.(-?\d*)\.(\d{1,10})\.([0-9a-f]{1,16}|-)\.([\w-]{43})$/;

/** Writes tokens that nobody without the secret can make, and reads none but those. */
export class TokenSigner {
  readonly #secret: string;

  constructor(secret: string) {
    this.#secret = secret;
  }

  sign({ systemId, timeline, lsn }: SessionToken): string {
    const content = `v1.${systemId}.${timeline}.${lsn?.toString(16) ?? '-'}`;
    return `${content}.${this.#mac(content)}`;
  }

  /** Undefined for what is no token, or was signed with another secret. */
  read(text: string): SessionToken | undefined {
    const [, systemId, timeline, lsn, mac] = FORM.exec(text) ?? [];
    if (systemId === undefined || lsn === undefined || mac === undefined) return undefined;
    const expected = this.#mac(text.slice(0, -mac.length - 1));
    if (!timingSafeEqual(Buffer.from(mac), Buffer.from(expected))) return undefined;
    return { systemId, timeline: Number(timeline), lsn: lsn === '-' ? undefined : BigInt(`0x${lsn}`) };
  }

  #mac(content: string): string {
    return createHmac('sha256', this.#secret).update(content).digest('base64url');
  }
}
