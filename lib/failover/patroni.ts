import { patiently, type Timer } from '../clock.js';
import { describeError } from '../errors.js';
import type { Leader } from '../topology/leader.js';
import { nodeOf, type Topology } from '../topology/topology.js';
import type { EngineParts, FailoverEngine } from './engine.js';
import { PatroniClient } from './patroni-client.js';
import { matchMembers, type MatchedMember, type PatroniMember } from './patroni-members.js';
import { switchOver } from './patroni-switchover.js';

/** Between two looks at the members while a switchover is asked for. */
const ASKED_INTERVAL_MS = 100;
const JITTER = 0.1;

/** Has Patroni say who leads. Where Patroni can't be asked, everything is as without it. */
export class PatroniEngine implements FailoverEngine {
  readonly #parts: EngineParts;
  readonly #client: PatroniClient;
  readonly #stopping = new AbortController();
  #timer: Timer | undefined;
  #round: Promise<void> | undefined;
  #isReachable = true;
  /** The members that are not configured, as last warned of. */
  #strangers = '';
  /** Switchovers under way. */
  #asked = 0;

  constructor(parts: EngineParts) {
    this.#parts = parts;
    this.#client = new PatroniClient(parts.settings.failover.patroni, parts.clock);
  }

  async start(): Promise<void> {
    const { clock, settings } = this.#parts;
    await patiently(clock, this.#look(), settings.failover.patroni.timeoutMs);
  }

  changed(next: Topology, previous: Topology): void {
    const isLost = previous.primary !== undefined && next.primary === undefined;
    if (isLost && this.#timer) this.#lookIn(0);
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the cluster stops'));
    this.#timer?.cancel();
    await this.#round;
  }

  async switchover(from: string, to: string | undefined): Promise<string> {
    const { settings, monitor } = this.#parts;
    this.#asked += 1;
    this.#lookIn(0);
    try {
      return await switchOver({
        client: this.#client,
        settings,
        monitor,
        from,
        to,
        signal: this.#stopping.signal,
      });
    } finally {
      this.#asked -= 1;
    }
  }

  /** One look at the members at a time; the next follows by itself. */
  #look(): Promise<void> {
    this.#round ??= this.#ask().finally(() => {
      this.#round = undefined;
      this.#lookIn(this.#interval());
    });
    return this.#round;
  }

  #lookIn(delayMs: number): void {
    const { clock } = this.#parts;
    this.#timer?.cancel();
    if (!this.#stopping.signal.aborted) this.#timer = clock.setTimer(() => void this.#look(), delayMs, true);
  }

  #interval(): number {
    const { settings, monitor, random } = this.#parts;
    const { retryDelayMs } = settings.failover;
    const usual = monitor.topology.primary === undefined ? retryDelayMs : settings.healthCheck.intervalMs;
    const interval = this.#asked > 0 ? Math.min(ASKED_INTERVAL_MS, usual) : usual;
    return interval * (1 + JITTER * (2 * random() - 1));
  }

  async #ask(): Promise<void> {
    const { monitor, settings } = this.#parts;
    const { signal } = this.#stopping;
    try {
      const members = matchMembers(await this.#client.cluster(signal), settings.nodes);
      this.#nowReachable(true, 'Patroni answers again');
      this.#warnOfStrangers(members);
      monitor.tellLeader(await this.#leaderOf(members));
    } catch (error) {
      if (signal.aborted) return;
      this.#nowReachable(
        false,
        `Patroni can't be asked, so the primary is found as in mode follow (${describeError(error)})`,
      );
      monitor.tellLeader(undefined);
    }
  }

  async #leaderOf(members: readonly MatchedMember[]): Promise<Leader | undefined> {
    const { monitor } = this.#parts;
    const { member, node } = members.find(({ member }) => member.role === 'leader') ?? {};
    if (!member || node === undefined) return undefined;
    if (nodeOf(monitor.topology, node)?.trouble?.kind === 'other-system') return undefined;
    // It may be promoted at any moment now.
    if (monitor.topology.primary !== node) void monitor.probeNow(node);
    const overrules = await this.#overrules(member, node);
    return { node, overrules, ...(member.timeline !== undefined && { timeline: member.timeline }) };
  }

  /**
   * Whether a leader on a lower timeline than was seen is the primary all the same. The store's word is not enough for
   * that: it may be older than the promotion that made the higher one. So its own Patroni must say it too; once.
   */
  async #overrules(member: PatroniMember, node: string): Promise<boolean> {
    const { monitor, journal } = this.#parts;
    const { leader } = monitor.topology;
    if (leader?.node === node && leader.timeline === member.timeline && leader.overrules) return true;
    const timeline = lowerTimeline(monitor.topology, node);
    if (timeline === undefined || timeline !== member.timeline) return false;
    if ((await this.#client.isPrimary(member, this.#stopping.signal)) !== true) return false;
    const detail = `Patroni's leader is on timeline ${timeline}; higher ones count no more`;
    journal.tell('lower-timeline-accepted', { node, detail });
    return true;
  }

  #nowReachable(isReachable: boolean, detail: string): void {
    if (this.#isReachable !== isReachable) this.#parts.journal.tell('warning', { detail });
    this.#isReachable = isReachable;
  }

  #warnOfStrangers(members: readonly MatchedMember[]): void {
    const strangers = members
      .filter(({ node }) => node === undefined)
      .map(({ member: { name, host, port } }) => `${name} (${host}:${port})`)
      .join(', ');
    if (strangers !== '' && strangers !== this.#strangers) {
      const detail = `Patroni has members that are not configured, and get no statements: ${strangers}`;
      this.#parts.journal.tell('warning', { detail });
    }
    this.#strangers = strangers;
  }
}

/** The timeline of a node that is writable on a lower one than others are, or than was seen. */
function lowerTimeline(topology: Topology, name: string): number | undefined {
  const facts = nodeOf(topology, name)?.facts;
  const { timeline } = facts ?? {};
  if (!facts || facts.inRecovery || timeline === undefined) return undefined;
  const isOfSystem = topology.systemId === undefined || facts.systemId === topology.systemId;
  const others = topology.nodes.filter(({ trouble }) => trouble?.kind !== 'other-system');
  const highest = Math.max(topology.newestTimeline, ...others.map(({ facts }) => facts?.timeline ?? 0));
  return isOfSystem && timeline < highest ? timeline : undefined;
}
