import { Injectable, Module, type DynamicModule, type INestApplication, type Type } from '@nestjs/common';
import { PgCluster, PgMcpModule, UseReplica } from 'nestjs-pg-mcp';
import type { EmbeddedClusterConfig } from 'nestjs-pg-mcp/testing';

/** A row of the README's table of what opens a session. */
export interface Entrance {
  /** Its first cell. */
  readonly name: string;
  /** Which of several ways to come in there. */
  readonly by?: string;
  /** What the application needs for it. */
  module(config: EmbeddedClusterConfig): Type | DynamicModule;
  /** What is done to the application before it starts. */
  prepare?(app: INestApplication): void;
  /** How to come in by it, once the application runs. */
  open(app: INestApplication): Calls | Promise<Calls>;
}

export interface Calls {
  /** Writes a note, and looks for it in the same request, message or job. */
  write(text: string): Promise<Written>;
  /** Looks for a note in another one, with a token where one is given. */
  look(text: string, session?: string): Promise<Seen>;
  close?(): Promise<void>;
}

export interface Seen {
  readonly found: boolean;
  readonly standby: boolean;
}

export interface Written extends Seen {
  readonly session?: string | undefined;
}

/** What messages and jobs carry. */
export interface Payload {
  readonly text: string;
  readonly session?: string | undefined;
}

@Injectable()
export class Notes {
  constructor(readonly cluster: PgCluster) {}

  /** Only where one connection is kept: a SET is refused anywhere else. */
  async write(text: string): Promise<void> {
    await this.cluster.query(`SET statement_timeout = '20s'`);
    await this.cluster.query('INSERT INTO notes VALUES ($1)', [text]);
  }

  /** On the primary, unless the caller's decorator says otherwise. */
  async look(text: string): Promise<Seen> {
    const sql = `SELECT pg_is_in_recovery() AS standby, EXISTS (SELECT FROM notes WHERE text = $1) AS found`;
    const { rows } = await this.cluster.query<Seen>(sql, [text]);
    const [seen] = rows;
    if (!seen) throw new Error('a SELECT without FROM has returned no row');
    return seen;
  }

  @UseReplica()
  async writtenAndSeen(text: string): Promise<Written> {
    return { ...(await this.look(text)), session: await this.cluster.session.token() };
  }
}

@Module({})
export class NotesModule {
  static forRoot(config: EmbeddedClusterConfig): DynamicModule {
    const cluster = PgMcpModule.forRoot({
      config,
      // So that a read on a replica is there by its decorator, and a paused replica goes on taking reads.
      routing: { default: 'primary', maxLag: '1h', maxLagBytes: '1GB' },
      session: { secret: 'known to every process of the application' },
    });
    return { module: NotesModule, global: true, imports: [cluster], providers: [Notes], exports: [Notes] };
  }
}
