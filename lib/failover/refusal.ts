/** Why no replica is promoted, or not yet. */
export type Refusal =
  /** The primary has not failed often enough to be given up. */
  | { readonly kind: 'too-early' }
  /** It is back, or another is there. */
  | { readonly kind: 'too-late' }
  | { readonly kind: 'primary-answers'; readonly node: string }
  | { readonly kind: 'primary-unknown' }
  | { readonly kind: 'two-primaries' }
  | {
      readonly kind: 'no-majority';
      readonly reachable: number;
      readonly needed: number;
      readonly configured: number;
    }
  /** Another process is at it. */
  | { readonly kind: 'locked'; readonly node: string }
  | { readonly kind: 'still-heard'; readonly node: string; readonly heardMsAgo: number }
  | { readonly kind: 'already-promoted'; readonly node: string }
  | { readonly kind: 'strange-choice'; readonly node: string; readonly to: string }
  | { readonly kind: 'left-behind'; readonly timeline: number }
  | { readonly kind: 'loss-unknown'; readonly node: string }
  /** Or it is unknown whether it was. */
  | { readonly kind: 'not-promoted'; readonly node: string; readonly cause: string }
  | {
      readonly kind: 'too-much-lost';
      readonly node: string;
      readonly bytes: number;
      readonly allowed: number;
    };

export function describeRefusal(refusal: Refusal): string {
  switch (refusal.kind) {
    case 'too-early':
      return 'the primary has not failed often enough yet';
    case 'too-late':
      return 'there is a primary';
    case 'primary-answers':
      return `${refusal.node} was the primary and still answers`;
    case 'primary-unknown':
      return 'no primary has been seen yet';
    case 'two-primaries':
      return 'two nodes are writable on one timeline';
    case 'no-majority': {
      const { reachable, needed, configured } = refusal;
      const fewer = configured < 3 ? '; with fewer than two replicas there never is a majority' : '';
      return `${reachable} of ${configured} nodes are replicas that answer, ${needed} are a majority${fewer}`;
    }
    case 'locked':
      return `another process holds the lock on ${refusal.node}`;
    case 'still-heard':
      return `${refusal.node} still hears the primary; its last message is ${Math.round(refusal.heardMsAgo)} ms old`;
    case 'already-promoted':
      return `${refusal.node} has been promoted, or follows a node that has`;
    case 'strange-choice':
      return `${refusal.node} was sent to ${refusal.to}, which is no node of this configuration`;
    case 'left-behind':
      return `no replica that answers is on timeline ${refusal.timeline}`;
    case 'loss-unknown':
      return `what ${refusal.node} lacks can't be told: the primary's position was never seen`;
    case 'not-promoted':
      return `${refusal.node} was not promoted: ${refusal.cause}`;
    case 'too-much-lost':
      return `${refusal.node} has the most, and lacks ${refusal.bytes} bytes; failover.max_data_loss is ${refusal.allowed}`;
  }
}
