import { chown, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Binaries } from './binaries.js';
import { clone } from './clone.js';
import { initDataFolder, writeSettings } from './data-folder.js';
import { type Credentials, randomPassword } from './database-roles.js';
import { EmbeddedNode } from './embedded-node.js';
import { freePort } from './free-port.js';
import { SERVER_SETTINGS } from './server-settings.js';
import { PortTaken } from './server-process.js';
import type { SystemAccount } from './system-account.js';

export interface NodeFactoryOptions {
  readonly binaries: Binaries;
  /** Holds one folder for each node. */
  readonly folder: string;
  readonly account: SystemAccount | undefined;
  readonly replication: Credentials;
  readonly settings: Readonly<Record<string, string>>;
}

const PORT_ATTEMPTS = 5;

/** Makes the nodes of one cluster, and knows every one it has made. */
export class NodeFactory {
  readonly #options: NodeFactoryOptions;
  readonly #password = randomPassword();
  readonly #created: EmbeddedNode[] = [];
  #count = 0;

  constructor(options: NodeFactoryOptions) {
    this.#options = options;
  }

  /** Also those that failed to start, which may have left a process. */
  get created(): readonly EmbeddedNode[] {
    return this.#created;
  }

  createPrimary(): Promise<EmbeddedNode> {
    const { binaries, account } = this.#options;
    return this.#create((_name, folder) =>
      initDataFolder(folder, { binaries, account, password: this.#password }),
    );
  }

  createReplica(primary: EmbeddedNode): Promise<EmbeddedNode> {
    return this.#create((name, folder) => this.#clone(primary, name, folder));
  }

  /** Throws a node's data away and makes it a standby of `primary`, on its old port. */
  async cloneAgain(node: EmbeddedNode, primary: EmbeddedNode): Promise<void> {
    await node.discard();
    // At once: a folder without some of its files would tell a wrong role.
    const discarded = `${node.dataFolder}.discarded`;
    await rename(node.dataFolder, discarded);
    await rm(discarded, { recursive: true, force: true });
    await this.#clone(primary, node.name, node.dataFolder);
    await this.#configure(node);
    await node.start();
  }

  async #create(fill: (name: string, folder: string) => Promise<void>): Promise<EmbeddedNode> {
    const { account, binaries } = this.#options;
    this.#count += 1;
    const name = `node${this.#count}`;
    const folder = join(this.#options.folder, name);
    await mkdir(folder, { mode: 0o700 });
    if (account) await chown(folder, account.uid, account.gid);
    await fill(name, join(folder, 'data'));
    for (let attempt = 1; ; attempt += 1) {
      const port = await freePort();
      const node = new EmbeddedNode({ name, port, folder, password: this.#password, binaries, account });
      this.#created.push(node);
      await this.#configure(node);
      try {
        await node.start();
        return node;
      } catch (error) {
        // Somebody, perhaps another cluster, took the port between the look and the start.
        const taken = error instanceof Error && error.cause instanceof PortTaken;
        if (!taken || attempt === PORT_ATTEMPTS) throw error;
      }
    }
  }

  #configure({ dataFolder, port }: EmbeddedNode): Promise<void> {
    const settings = { ...SERVER_SETTINGS, ...this.#options.settings, port: String(port) };
    return writeSettings(dataFolder, settings, this.#options.account);
  }

  #clone(primary: EmbeddedNode, name: string, folder: string): Promise<void> {
    const { account, replication, binaries } = this.#options;
    return clone(primary, { name, folder, replication, account, major: binaries.major });
  }
}
