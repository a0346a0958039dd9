import { patiently } from '../clock.js';
import { describeError } from '../errors.js';
import type { Topology } from '../topology/topology.js';
import { decide, WATCHING, type Contender, type Event, type Work } from './decide.js';
import type { EngineParts, FailoverEngine } from './engine.js';
import { Fence } from './fence.js';
import { HeldStandbys } from './held-standbys.js';
import { Leftovers } from './leftovers.js';
import { checkPromotion } from './promote-checks.js';
import { viewOf, type View } from './view.js';

/** Between two attempts, at random. */
const SHORTEST_REST_MS = 20;
const LONGEST_REST_MS = 220;
/** For the answers of nodes that are up. */
const LOOK_MS = 100;
/** Other sessions than the promoting one lose their locks when they are quiet for longer than 2 s. */
const TOUCH_MS = 500;
const STOP_MS = 2_000;

/** Promotes a replica when the primary is gone: does what `decide` says, and tells it what came of that. */
export class Promoter implements FailoverEngine {
  readonly #parts: EngineParts;
  readonly #held: HeldStandbys;
  readonly #fence: Fence;
  readonly #leftovers: Leftovers;
  #isReady = false;
  #isReduced = false;
  #contender: Contender = WATCHING;
  #run: Promise<void> | undefined;
  #isStopping = false;
  #wake: (() => void) | undefined;

  constructor(parts: EngineParts) {
    this.#parts = parts;
    this.#held = new HeldStandbys(parts);
    this.#fence = new Fence(parts);
    this.#leftovers = new Leftovers(parts);
  }

  async start(): Promise<void> {
    const { reduced, warnings } = await checkPromotion(this.#parts);
    this.#isReduced = reduced !== undefined;
    const { journal } = this.#parts;
    if (reduced !== undefined) {
      const detail = `failover.mode promote is not to be had, a primary that others promote is followed: ${reduced}`;
      journal.tell('mode-reduced', { detail });
      process.emitWarning(detail);
    }
    for (const detail of warnings) journal.tell('warning', { detail });
    if (warnings.length > 0) process.emitWarning(`failover.mode promote: ${warnings.join('; ')}`);
    this.#isReady = true;
    this.changed(this.#parts.monitor.topology, this.#parts.monitor.topology);
  }

  changed(next: Topology, previous: Topology): void {
    if (!this.#isReady || this.#isReduced || this.#isStopping) return;
    this.#fence.changed(next);
    this.#leftovers.changed(next, previous);
    // During a switchover the primary is there, for that alone.
    if (next.primary !== undefined || next.isHeld === true) return;
    this.#run ??= this.#contend().finally(() => (this.#run = undefined));
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#wake?.();
    this.#leftovers.stop();
    await this.#fence.stop();
    if (this.#run) await patiently(this.#parts.clock, this.#run, STOP_MS);
    this.#held.destroy();
  }

  #view(topology = this.#parts.monitor.topology): View {
    return viewOf(topology, this.#parts.settings, this.#isStopping);
  }

  async #contend(): Promise<void> {
    let event: Event = { kind: 'looked' };
    for (;;) {
      const { contender, work, tell } = decide(this.#contender, event, this.#view());
      this.#contender = contender;
      const { journal } = this.#parts;
      for (const { step, ...facts } of tell)
        if (step === 'promoted') journal.promoted(facts);
        else journal.tell(step, facts);
      if (work.do === 'nothing') return;
      event = await this.#perform(work);
    }
  }

  async #perform(work: Exclude<Work, { do: 'nothing' }>): Promise<Event> {
    const held = this.#held;
    switch (work.do) {
      case 'rest':
        await held.release();
        await this.#rest();
        return { kind: 'looked' };
      case 'lock': {
        const refusedBy = await held.lock(work.nodes);
        return { kind: 'locked', nodes: held.nodes, ...(refusedBy !== undefined && { refusedBy }) };
      }
      case 'survey':
        return { kind: 'surveyed', reports: await held.reports(true) };
      case 'cut':
        await held.each((session) => session.cut(work.timeline), work.nodes);
        return { kind: 'cut', reports: await held.reports() };
      case 'repoint': {
        const candidate = held.get(work.to);
        const hasSlot = async (slot: string) => (await candidate?.hasSlot(slot)) ?? false;
        await held.each((session) => session.repoint(work.to, work.timeline, hasSlot), work.nodes);
        return { kind: 'repointed', reports: await held.reports() };
      }
      case 'promote':
        return this.#promote(work);
      case 'restore':
        await held.each((session) => session.restore());
        await held.release();
        await this.#rest();
        return { kind: 'looked' };
      case 'finish':
        await held.each((session) => session.restore(), [work.node]);
        await held.release();
        await patiently(this.#parts.clock, this.#parts.monitor.probeAllAnew(), LOOK_MS);
        return { kind: 'looked' };
    }
  }

  /**
   * The candidate's session is asked last before the others: where this process is paused after that, the
   * candidate's lock is lost first, and the promotion with it.
   */
  async #promote({ node, timeline, needed }: Extract<Work, { do: 'promote' }>): Promise<Event> {
    const { clock, monitor, journal } = this.#parts;
    const held = this.#held;
    const candidate = held.get(node);
    const others = held.nodes.filter((name) => name !== node);
    const touchOthers = () => held.each((session) => session.touch(), others);
    let touchedAt = clock.now();
    try {
      if (!candidate) throw new Error('its session is lost');
      await candidate.dropFence();
      await touchOthers();
      if (held.nodes.length < needed) throw new Error('locks are lost');
      journal.promotes(node);
      const reached = await candidate.promote(async () => {
        if (clock.now() - touchedAt < TOUCH_MS) return;
        touchedAt = clock.now();
        await touchOthers();
      });
      if (reached <= timeline) throw new Error(`it is on timeline ${reached}`);
      void monitor.probeAnew(node);
      return { kind: 'promoted', timeline: reached };
    } catch (error) {
      journal.notPromoted();
      return { kind: 'not-promoted', cause: describeError(error) };
    }
  }

  /** A random while, shorter when something may be begun now, or nothing is to be done any more. */
  async #rest(): Promise<void> {
    const { clock, monitor, random } = this.#parts;
    const before = this.#view();
    const isOver = (topology: Topology) => {
      const { primary, obstacle } = this.#view(topology);
      return primary !== undefined || (before.obstacle !== undefined && !obstacle);
    };
    const restMs = SHORTEST_REST_MS + random() * (LONGEST_REST_MS - SHORTEST_REST_MS);
    const woken = new Promise<void>((resolve) => (this.#wake = resolve));
    await Promise.race([monitor.until(isOver, restMs), woken]);
    if (this.#isStopping || isOver(monitor.topology)) return;
    // Another contender may have promoted one.
    const looks = Promise.all(before.standbys.map((node) => monitor.probeNow(node)));
    await patiently(clock, looks, LOOK_MS);
  }
}
