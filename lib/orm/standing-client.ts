import { EventEmitter } from 'node:events';
import type { Legacy } from '../session/client-calls.js';
import { LateClient } from './late-client.js';

/**
 * A client that stands in an ORM's own pool, so nobody says when its user is done with it: what it is bound to goes back
 * by itself. A transaction has its connection from BEGIN to its end, and what was locked, created or set for the session
 * within it ends with it. Outside a transaction what only one server session can have (LISTEN, a temporary table, an
 * advisory lock) keeps one until `end()`.
 */
export class StandingClient extends LateClient {
  /** Of the socket, which it has none of its own: nothing is ever told by it. */
  readonly connection = new EventEmitter();
  #keeps = false;

  protected bindsBy(left: Legacy): boolean {
    this.#keeps = left === 'session';
    return left === 'transaction' || left === 'session';
  }

  protected isDoneWith(): boolean {
    return !this.#keeps;
  }
}
