import { describe, expect, it } from 'vitest';
import type { WalPosition } from '../../lib/lsn.js';
import { Session, type Floor, type PrimaryPositions } from '../../lib/session/session.js';
import { firstSampleAfter, type PrimarySamples } from '../../lib/topology/samples.js';

const at = (lsn: number, timeline = 1): WalPosition => ({ timeline, lsn: BigInt(lsn) });

/** A primary on that timeline, sampled at those times (milliseconds): it is at the position 100 at 10. */
function primary(times: readonly number[], timeline = 1): PrimaryPositions {
  const samples: PrimarySamples = times.map((time) => ({ at: time, ...at(time * 10, timeline) }));
  return {
    timeline,
    firstAfter: (time) => {
      const sample = firstSampleAfter(samples, time);
      return sample && { timeline: sample.timeline, lsn: sample.lsn };
    },
  };
}

interface Case {
  readonly what: string;
  readonly does: (session: Session) => void;
  readonly primary: PrimaryPositions;
  readonly floor: Floor | undefined;
}

const wrote =
  (...times: readonly number[]) =>
  (session: Session) => {
    for (const time of times) session.wrote(time);
  };
const reached =
  (...positions: readonly WalPosition[]) =>
  (session: Session) => {
    for (const position of positions) session.reached(position);
  };

describe('the reads of a session must have seen', () => {
  it.each<Case>([
    { what: 'nothing, where nothing was written', does: () => {}, primary: primary([1]), floor: undefined },
    { what: 'what no sample lies behind', does: wrote(10), primary: primary([]), floor: 'unsampled' },
    {
      what: 'what was written after the last sample began',
      does: wrote(10),
      primary: primary([9]),
      floor: 'unsampled',
    },
    {
      what: 'what was written as the last sample began',
      does: wrote(10),
      primary: primary([10]),
      floor: 'unsampled',
    },
    {
      what: 'the first sample asked for later',
      does: wrote(10),
      primary: primary([9, 10, 11, 12]),
      floor: at(110),
    },
    { what: 'the later of two writes', does: wrote(10, 20), primary: primary([15, 25]), floor: at(250) },
    { what: 'the later, told first', does: wrote(20, 10), primary: primary([15, 25]), floor: at(250) },
    {
      what: 'the later of two writes, with a sample behind the earlier',
      does: wrote(10, 20),
      primary: primary([15]),
      floor: 'unsampled',
    },
    { what: 'what it was resumed with', does: reached(at(70)), primary: primary([]), floor: at(70) },
    {
      what: 'the later of two positions',
      does: reached(at(70), at(90), at(80)),
      primary: primary([]),
      floor: at(90),
    },
    {
      what: 'the position on the newer timeline, whatever its number',
      does: reached(at(70, 2), at(90, 1)),
      primary: primary([], 2),
      floor: at(70, 2),
    },
    {
      what: 'a sample of the new timeline, for a position on an older one',
      does: reached(at(500, 1)),
      primary: primary([1, 2], 2),
      floor: at(10, 2),
    },
    {
      what: 'what only the primary has, for a position on an older timeline without a sample of the new one',
      does: reached(at(500, 1)),
      primary: primary([], 2),
      floor: 'unsampled',
    },
    {
      what: 'what nobody has shown yet, for a position ahead of every known timeline',
      does: reached(at(70, 3)),
      primary: primary([1], 2),
      floor: 'ahead',
    },
    {
      what: 'what nobody has shown yet, though it has written here since',
      does: (session) => {
        session.reached(at(70, 3));
        session.wrote(10);
      },
      primary: primary([11], 2),
      floor: 'ahead',
    },
    {
      what: 'what it wrote after it was resumed',
      does: (session) => {
        session.reached(at(70));
        session.wrote(10);
      },
      primary: primary([11]),
      floor: at(110),
    },
    {
      what: 'what it wrote after it was resumed, not sampled yet',
      does: (session) => {
        session.reached(at(70));
        session.wrote(10);
      },
      primary: primary([10]),
      floor: 'unsampled',
    },
    {
      what: 'what it was resumed with, where that is later than what it wrote',
      does: (session) => {
        session.reached(at(900));
        session.wrote(10);
      },
      primary: primary([11]),
      floor: at(900),
    },
    {
      what: 'what only the primary has, while somebody may write for it',
      does: (session) => {
        session.reached(at(70));
        session.openWrite(() => 0);
      },
      primary: primary([1]),
      floor: 'unsampled',
    },
  ])('$what', ({ does, primary: positions, floor }) => {
    const session = new Session();
    does(session);
    expect(session.floor(positions)).toEqual(floor);
    // Asked again it says the same: what was learned takes the place of the mark.
    expect(session.floor(positions)).toEqual(floor);
    expect(session.isMarked).toBe(floor !== undefined);
  });
});

describe('a session', () => {
  it('keeps the sample it found: later ones ask no more of a replica', () => {
    const session = new Session();
    session.wrote(10);
    expect(session.floor(primary([11]))).toEqual(at(110));
    expect(session.position).toEqual(at(110));
    expect(session.floor(primary([12, 13]))).toEqual(at(110));
  });

  it('knows no position while what it wrote is not sampled', () => {
    const session = new Session();
    session.wrote(10);
    session.floor(primary([9]));
    expect(session.position).toBeUndefined();
  });

  it('is held to the primary until the last of those that may write is done, and its end counts', () => {
    const session = new Session();
    let now = 10;
    const [endOne, endOther] = [session.openWrite(() => now), session.openWrite(() => now)];
    endOne();
    expect(session.floor(primary([20]))).toBe('unsampled');
    now = 30;
    endOther();
    expect(session.floor(primary([20]))).toBe('unsampled');
    expect(session.floor(primary([20, 31]))).toEqual(at(310));
  });

  it('forgets what lies ahead of a timeline, and nothing else', () => {
    const [ahead, present] = [new Session(), new Session()];
    ahead.reached(at(70, 3));
    ahead.forgetAhead(2);
    expect([ahead.isMarked, ahead.floor(primary([1], 2))]).toEqual([false, undefined]);
    present.reached(at(70, 2));
    present.forgetAhead(2);
    expect([present.isMarked, present.floor(primary([1], 2))]).toEqual([true, at(70, 2)]);
  });

  it('keeps what it wrote here when it forgets what lies ahead', () => {
    const session = new Session();
    session.reached(at(70, 3));
    session.wrote(10);
    session.forgetAhead(2);
    expect(session.floor(primary([11], 2))).toEqual(at(110, 2));
  });

  it('of a request has its reads keep to one replica; the one of the process does not', () => {
    expect(new Session().reads).toBeDefined();
    expect(new Session({ isOfOne: false }).reads).toBeUndefined();
  });
});
