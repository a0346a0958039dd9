import type { FailoverStep } from '../failover-event.js';
import { earlierChoice, mostAdvanced, whyNotLose, whyNotTouch } from './choice.js';
import { describeRefusal, type Refusal } from './refusal.js';
import type { StandbyReport } from './standby-report.js';
import type { Step } from './steps.js';
import type { View } from './view.js';

/** What is to be done next. Each work ends with one event. */
export type Work =
  /** Until the topology changes; holds no lock. */
  | { readonly do: 'nothing' }
  /** For a random while; holds no lock. Ends with `looked`. */
  | { readonly do: 'rest' }
  /** A session and its lock on each of these, in this order; one that is refused ends it. */
  | { readonly do: 'lock'; readonly nodes: readonly string[] }
  | { readonly do: 'survey' }
  /** Away from whoever they hear, until they hear nobody. */
  | { readonly do: 'cut'; readonly nodes: readonly string[]; readonly timeline: number }
  | {
      readonly do: 'repoint';
      readonly nodes: readonly string[];
      readonly to: string;
      readonly timeline: number;
    }
  /** In the session that holds its lock, if `needed` of the sessions are alive. */
  | { readonly do: 'promote'; readonly node: string; readonly timeline: number; readonly needed: number }
  /** Back to the primary they were set up with, whichever are held. Ends with `looked`. */
  | { readonly do: 'restore' }
  /** What was set for the promotion alone is taken back on the new primary. Ends with `looked`. */
  | { readonly do: 'finish'; readonly node: string };

export type Event =
  | { readonly kind: 'looked' }
  | { readonly kind: 'locked'; readonly nodes: readonly string[]; readonly refusedBy?: string }
  /** Of those whose sessions live. */
  | { readonly kind: 'surveyed'; readonly reports: readonly StandbyReport[] }
  | { readonly kind: 'cut'; readonly reports: readonly StandbyReport[] }
  | { readonly kind: 'repointed'; readonly reports: readonly StandbyReport[] }
  | { readonly kind: 'promoted'; readonly timeline: number }
  /** Or it is unknown whether it was. */
  | { readonly kind: 'not-promoted'; readonly cause: string };

/** How far this process is. `told`: the refusals that were told since there was a primary; each is told once. */
export type Contender = { readonly told: readonly string[] } & (
  | { readonly phase: 'watching' | 'locking' | 'surveying' | 'backing-out' | 'finishing' }
  /** `onTimeline`: those that have the timeline to be left; `earlier`: the choice of a contender before. */
  | ({ readonly phase: 'cutting'; readonly onTimeline: readonly string[] } & Attempt)
  | ({ readonly phase: 'repointing' | 'promoting'; readonly candidate: string } & Attempt)
);

interface Attempt {
  readonly timeline: number;
  readonly earlier?: string;
}

export interface Decision {
  readonly contender: Contender;
  readonly work: Work;
  readonly tell: readonly Step[];
}

export const WATCHING: Contender = { phase: 'watching', told: [] };

/**
 * One contender for the promotion: what follows from an event, as things are. Pure.
 *
 * What holds, whatever other contenders do and whoever dies when:
 * - Nothing is begun while there is a primary, or while the former one has not failed often enough.
 * - A node's `primary_conninfo` is written, and it is promoted, only in a session that holds its lock. Cutting off,
 *   choosing and promoting take the locks of a majority of all nodes.
 * - A node is promoted only when a majority, with itself, is sent to it: the next contender, whose majority has one of
 *   the others, reads the choice there, and adopts it where the chosen node is among its own.
 * - A candidate is chosen when nobody held hears anybody: positions are final, and none held has more.
 * - Whoever gives up before it has asked for the promotion restores what it holds, unless the choice is an earlier
 *   one: then somebody has perhaps asked. Whoever has asked leaves everything as it is.
 * - Whoever rests holds no lock.
 */
export function decide(contender: Contender, event: Event, view: View): Decision {
  const { told } = contender;
  const hasEnded = view.primary !== undefined || view.isStopping;
  switch (event.kind) {
    case 'looked': {
      if (hasEnded) return go(WATCHING, { do: 'nothing' });
      if (view.obstacle) return refuse(contender, view.obstacle);
      return go({ phase: 'locking', told }, { do: 'lock', nodes: view.standbys });
    }
    case 'locked': {
      const { nodes, refusedBy } = event;
      if (hasEnded) return rest(contender);
      if (refusedBy !== undefined) return refuse(contender, { kind: 'locked', node: refusedBy });
      if (nodes.length < view.needed) return refuse(contender, tooFew(nodes.length, view));
      const tell = [step('locks-taken', nodes.join(', '))];
      return go({ phase: 'surveying', told }, { do: 'survey' }, tell);
    }
    case 'surveyed':
      return hasEnded ? rest(contender) : begin(contender, event.reports, view);
    case 'cut':
      if (contender.phase !== 'cutting') return rest(contender);
      return hasEnded || view.timeline > contender.timeline
        ? giveUp(contender, { kind: 'too-late' })
        : choose(contender, event.reports, view);
    case 'repointed':
      if (contender.phase !== 'repointing') return rest(contender);
      return hasEnded || view.timeline > contender.timeline
        ? giveUp(contender, { kind: 'too-late' })
        : promote(contender, event.reports, view);
    case 'promoted': {
      if (contender.phase !== 'promoting') return rest(contender);
      const { candidate: node } = contender;
      const tell = [step('promoted', `timeline ${event.timeline}`, node)];
      return go({ phase: 'finishing', told }, { do: 'finish', node }, tell);
    }
    case 'not-promoted':
      if (contender.phase !== 'promoting') return rest(contender);
      return refuse(contender, { kind: 'not-promoted', node: contender.candidate, cause: event.cause });
  }
}

function begin({ told }: Contender, reports: readonly StandbyReport[], view: View): Decision {
  const { timeline } = view;
  const watching: Contender = { phase: 'watching', told };
  if (reports.length < view.needed) return refuse(watching, tooFew(reports.length, view));
  const refusal = whyNotTouch(reports, view);
  if (refusal) return refuse(watching, refusal);
  const earlier = earlierChoice(reports, timeline)?.node;
  const onTimeline = reports.filter((report) => report.timeline === timeline).map(({ node }) => node);
  const best = mostAdvanced(reports.filter(({ node }) => onTimeline.includes(node)));
  const tooMuch = earlier === undefined && best && whyNotLose(best, view);
  if (tooMuch) return refuse(watching, tooMuch);
  const isDone = ({ sent }: StandbyReport) => sent?.timeline === timeline && sent.to === earlier;
  const nodes = reports.filter((report) => !isDone(report)).map(({ node }) => node);
  return go(
    { phase: 'cutting', told, timeline, onTimeline, ...(earlier !== undefined && { earlier }) },
    { do: 'cut', nodes, timeline },
  );
}

/** Nobody hears anybody now: what each has is final. */
function choose(
  contender: Extract<Contender, { phase: 'cutting' }>,
  reports: readonly StandbyReport[],
  view: View,
): Decision {
  const { told, timeline, onTimeline, earlier } = contender;
  const held = reports.filter((report) => report.sent?.timeline === timeline);
  const refusal = held.length < view.needed ? tooFew(held.length, view) : whyNotTouch(held, view, onTimeline);
  if (refusal) return giveUp(contender, refusal);
  const adopted = held.find(({ node }) => node === earlier);
  // It was there a moment ago: better look again than choose another.
  if (earlier !== undefined && !adopted) return rest(contender);
  const candidate = adopted ?? mostAdvanced(held.filter(({ node }) => onTimeline.includes(node)));
  if (!candidate) return giveUp(contender, { kind: 'left-behind', timeline });
  const tooMuch = adopted ? undefined : whyNotLose(candidate, view);
  if (tooMuch) return giveUp(contender, tooMuch);
  const to = candidate.node;
  const nodes = held
    .filter((report) => report !== candidate && !isSent(report, timeline, to))
    .map(({ node }) => node);
  const next: Contender = {
    phase: 'repointing',
    told,
    timeline,
    candidate: to,
    ...(earlier !== undefined && { earlier }),
  };
  return go(next, { do: 'repoint', nodes, to, timeline }, [
    step('cut-off', held.map(({ node }) => node).join(', ')),
    step('candidate-chosen', adopted ? 'a process before has chosen it' : 'it has the most', to),
  ]);
}

function promote(
  contender: Extract<Contender, { phase: 'repointing' | 'promoting' }>,
  reports: readonly StandbyReport[],
  view: View,
): Decision {
  const { timeline, candidate } = contender;
  const sent = reports.filter((report) => isSent(report, timeline, candidate));
  const isHeld = reports.some(({ node, isStandby }) => node === candidate && isStandby);
  const count = sent.length + (isHeld ? 1 : 0);
  if (!isHeld || count < view.needed) return giveUp(contender, tooFew(count, view));
  const tell =
    sent.length > 0 ? [step('others-repointed', sent.map(({ node }) => node).join(', '), candidate)] : [];
  const work: Work = { do: 'promote', node: candidate, timeline, needed: view.needed };
  return go({ ...contender, phase: 'promoting' }, work, tell);
}

function isSent({ sent }: StandbyReport, timeline: number, to: string): boolean {
  return sent?.timeline === timeline && sent.to === to;
}

function tooFew(reachable: number, { needed, configured }: View): Refusal {
  return { kind: 'no-majority', reachable, needed, configured };
}

function go(contender: Contender, work: Work, tell: readonly Step[] = []): Decision {
  return { contender, work, tell };
}

function rest({ told }: Contender): Decision {
  return go({ phase: 'watching', told }, { do: 'rest' });
}

function refuse({ told }: Contender, refusal: Refusal): Decision {
  const { tell, ...known } = toldOnce(refusal, told);
  return go({ phase: 'watching', ...known }, { do: 'rest' }, tell);
}

function giveUp(contender: Contender & Attempt, refusal: Refusal): Decision {
  if (contender.earlier !== undefined) return refuse(contender, refusal);
  const { tell, told } = toldOnce(refusal, contender.told);
  const next: Contender = { phase: 'backing-out', told };
  return go(next, { do: 'restore' }, [...tell, step('backed-out', describeRefusal(refusal))]);
}

function toldOnce(refusal: Refusal, told: readonly string[]) {
  const node = 'node' in refusal ? refusal.node : undefined;
  const key = `${refusal.kind} ${node ?? ''}`;
  const isNews = refusal.kind !== 'too-early' && refusal.kind !== 'too-late' && !told.includes(key);
  return isNews
    ? { tell: [step('promotion-refused', describeRefusal(refusal), node)], told: [...told, key] }
    : { tell: [], told };
}

function step(name: FailoverStep, detail: string, node?: string): Step {
  return { step: name, detail, ...(node !== undefined && { node }) };
}
