import { decide, WATCHING, type Contender, type Event, type Work } from '../../lib/failover/decide.js';
import type { StandbyReport } from '../../lib/failover/standby-report.js';
import { viewOf, type View } from '../../lib/failover/view.js';
import type { NodeFacts } from '../../lib/topology/observation.js';
import { unseen, type NodeState, type Topology } from '../../lib/topology/topology.js';
import type { NodeSettings } from '../../lib/config/settings.js';
import { sure } from '../support/sure.js';

export interface ModelNode {
  readonly name: string;
  isUp: boolean;
  /** It runs, but no contender reaches it. */
  isHidden: boolean;
  isStandby: boolean;
  timeline: number;
  lsn: number;
  sent: StandbyReport['sent'];
  /** The session that holds its lock. */
  holder: number | undefined;
  /** It will be promoted, whatever becomes of who has asked for it. */
  isAsked: boolean;
}

export interface Promotion {
  readonly node: string;
  readonly off: number;
}

/** The primary is `p`; its standbys are `a`, `b`, … */
export class ModelCluster {
  readonly nodes: readonly ModelNode[];
  readonly promotions: Promotion[] = [];
  #sessions = 0;

  constructor(standbys: number) {
    const names = ['p', ...Array.from({ length: standbys }, (_, index) => 'abcdefgh'.charAt(index))];
    this.nodes = names.map((name) => ({
      name,
      isUp: true,
      isHidden: false,
      isStandby: name !== 'p',
      timeline: 1,
      lsn: 100,
      sent: undefined,
      holder: undefined,
      isAsked: false,
    }));
  }

  node(name: string): ModelNode {
    return sure(this.nodes.find((node) => node.name === name));
  }

  get standbys(): readonly ModelNode[] {
    return this.nodes.filter(({ isStandby }) => isStandby);
  }

  get newestTimeline(): number {
    return Math.max(...this.nodes.map(({ timeline }) => timeline));
  }

  newSession(): number {
    this.#sessions += 1;
    return this.#sessions;
  }

  kill(node: ModelNode): void {
    Object.assign(node, { isUp: false, holder: undefined, isAsked: false });
  }

  /** Whoever was asked becomes a primary. */
  promoteAsked(): void {
    for (const node of this.nodes) {
      if (!node.isAsked) continue;
      this.promotions.push({ node: node.name, off: node.timeline });
      Object.assign(node, { isAsked: false, isStandby: false, timeline: node.timeline + 1 });
    }
  }

  /** Whom it hears: who it was sent to, else the primary it was set up with. */
  heardBy(node: ModelNode): ModelNode | undefined {
    if (!node.isUp || !node.isStandby) return undefined;
    const source = node.sent ? node.sent.to : 'p';
    const heard = source === undefined ? undefined : this.node(source);
    return heard?.isUp ? heard : undefined;
  }

  /** The log goes from whoever writes to whoever hears, and new timelines with it. */
  stream(random: () => number): void {
    for (const node of this.nodes) if (node.isUp && !node.isStandby) node.lsn += Math.floor(random() * 10);
    for (const node of this.nodes) {
      const source = this.heardBy(node);
      if (!source || source.timeline < node.timeline || source.lsn < node.lsn) continue;
      node.lsn += Math.floor(random() * (source.lsn - node.lsn + 1));
      node.timeline = source.timeline;
    }
  }

  report(node: ModelNode, withTimeline: boolean): StandbyReport {
    const heard = this.heardBy(node);
    return {
      node: node.name,
      isStandby: node.isStandby,
      lsn: BigInt(node.lsn),
      receiverTimeoutMs: 2_000,
      ...(withTimeline && { timeline: node.timeline }),
      ...(node.sent && { sent: node.sent }),
      ...(heard && {
        receiver: { isStreaming: true, heardMsAgo: 0, timeline: heard.timeline, from: heard.name },
      }),
    };
  }

  topology(): Topology {
    const up = this.nodes.filter(({ isUp, isHidden }) => isUp && !isHidden);
    const newestTimeline = this.newestTimeline;
    const primary = up.find(({ isStandby, timeline }) => !isStandby && timeline === newestTimeline)?.name;
    return {
      ...unseen([]),
      version: 1,
      systemId: '1',
      newestTimeline,
      samples: [{ at: 0, timeline: 1, lsn: 100n }],
      sampled: 'p',
      nodes: this.nodes.map(stateOf),
      ...(primary !== undefined && { primary }),
    };
  }
}

function stateOf({ name, isUp, isHidden, isStandby, timeline }: ModelNode): NodeState {
  const answers = isUp && !isHidden;
  const facts: NodeFacts = { inRecovery: isStandby, timeline };
  return {
    name,
    settings: {} as NodeSettings,
    role: isStandby ? 'replica' : 'primary',
    health: answers ? 'up' : 'down',
    failures: answers ? 0 : 3,
    facts,
    isLagging: false,
  };
}

/** A process that contends. Each `step` does the least that can be done between two of others. */
export class ModelContender {
  readonly #cluster: ModelCluster;
  readonly #check: (work: Work) => void;
  #sessions = new Map<string, number>();
  #contender: Contender = WATCHING;
  #seen: Topology;
  #steps: Generator<void, void> = this.#run();
  isDead = false;
  isIdle = false;

  /** @param check Called right before a promotion. */
  constructor(cluster: ModelCluster, check: (work: Work) => void = () => {}) {
    this.#cluster = cluster;
    this.#check = check;
    this.#seen = cluster.topology();
  }

  get holds(): readonly string[] {
    return [...this.#sessions.keys()].filter((name) => this.#session(name));
  }

  get phase(): Contender['phase'] {
    return this.#contender.phase;
  }

  /** Its choice is that of one before, who may have known fewer nodes. */
  get hasAdopted(): boolean {
    return 'earlier' in this.#contender;
  }

  look(): void {
    this.#seen = this.#cluster.topology();
    if (this.isIdle && this.#seen.primary === undefined) {
      this.isIdle = false;
      this.#steps = this.#run();
    }
  }

  step(): void {
    if (this.isDead || this.isIdle) return;
    this.isIdle = this.#steps.next().done === true;
  }

  /** Its connections end, as when it dies, or is paused for longer than they may be idle. */
  lose(nodes: Iterable<string> = this.#sessions.keys()): void {
    for (const name of nodes) {
      const node = this.#cluster.node(name);
      if (this.#session(name)) node.holder = undefined;
      this.#sessions.delete(name);
    }
  }

  die(): void {
    this.isDead = true;
    this.lose();
  }

  #view(): View {
    const { maxRetryAttempts, maxDataLossBytes } = { maxRetryAttempts: 3, maxDataLossBytes: 1_000 };
    const failover = { maxRetryAttempts, maxDataLossBytes, withoutQuorum: false };
    return viewOf(this.#seen, { failover: failover as never });
  }

  *#run(): Generator<void, void> {
    let event: Event = { kind: 'looked' };
    for (;;) {
      const decision = decide(this.#contender, event, this.#view());
      this.#contender = decision.contender;
      if (decision.work.do === 'nothing') {
        this.lose();
        return;
      }
      event = yield* this.#perform(decision.work);
    }
  }

  *#perform(work: Exclude<Work, { do: 'nothing' }>): Generator<void, Event> {
    switch (work.do) {
      case 'rest':
        this.lose();
        yield;
        this.look();
        return { kind: 'looked' };
      case 'lock':
        return yield* this.#lock(work.nodes);
      case 'survey':
        return { kind: 'surveyed', reports: yield* this.#reports(true) };
      case 'cut':
        for (const name of work.nodes) yield* this.#send(name, { timeline: work.timeline });
        return { kind: 'cut', reports: yield* this.#reports(false) };
      case 'repoint':
        for (const name of work.nodes) yield* this.#send(name, { timeline: work.timeline, to: work.to });
        return { kind: 'repointed', reports: yield* this.#reports(false) };
      case 'promote': {
        yield;
        if (this.holds.length < work.needed) return { kind: 'not-promoted', cause: 'locks are lost' };
        const node = this.#session(work.node);
        if (!node?.isStandby) return { kind: 'not-promoted', cause: 'its session is lost' };
        this.#check(work);
        node.isAsked = true;
        do yield;
        while (node.isAsked && this.#session(work.node));
        // Whether it was promoted is not known to who loses the session now.
        if (!this.#session(work.node)) return { kind: 'not-promoted', cause: 'its session is lost' };
        this.look();
        return { kind: 'promoted', timeline: node.timeline };
      }
      case 'restore':
        for (const name of this.holds) yield* this.#send(name, undefined);
        this.lose();
        this.look();
        return { kind: 'looked' };
      case 'finish':
        yield* this.#send(work.node, undefined);
        this.lose();
        this.look();
        return { kind: 'looked' };
    }
  }

  *#lock(nodes: readonly string[]): Generator<void, Event> {
    this.lose();
    for (const name of nodes) {
      yield;
      const node = this.#cluster.node(name);
      if (!node.isUp) continue;
      if (node.holder !== undefined) {
        this.lose();
        return { kind: 'locked', nodes: [], refusedBy: name };
      }
      node.holder = this.#cluster.newSession();
      this.#sessions.set(name, node.holder);
    }
    return { kind: 'locked', nodes: this.holds };
  }

  *#reports(withTimeline: boolean): Generator<void, readonly StandbyReport[]> {
    const reports: StandbyReport[] = [];
    for (const name of this.#sessions.keys()) {
      yield;
      const node = this.#session(name);
      if (node) reports.push(this.#cluster.report(node, withTimeline));
    }
    return reports;
  }

  *#send(name: string, sent: StandbyReport['sent']): Generator<void, void> {
    yield;
    const node = this.#session(name);
    if (node) node.sent = sent;
  }

  /** The node, if this contender still has its lock. */
  #session(name: string): ModelNode | undefined {
    const node = this.#cluster.node(name);
    const session = this.#sessions.get(name);
    return node.isUp && session !== undefined && node.holder === session ? node : undefined;
  }
}
