import { served, type Facts, type ServerFacts, type Slot } from '../facts.js';
import { fail, finding, pass, warn, type Finding, type Verdict } from '../finding.js';
import { numberOf } from '../parameters.js';

const MIB = 1024 * 1024;

/** Whether what the primary writes suffices for its standbys, and any node could feed them. */
export function checkWalLevel(facts: Facts): Finding[] {
  const standbys = facts.nodes.length - 1;
  return served(facts).map(({ settings, server: { parameters } }) => {
    const level = parameters.get('wal_level') ?? 'unknown';
    const senders = numberOf(parameters, 'max_wal_senders') ?? 0;
    const seen = `wal_level ${level}, max_wal_senders ${senders}`;
    return finding('wal-level', judgeWal(seen, level, senders, standbys), settings.name);
  });
}

function judgeWal(seen: string, level: string, senders: number, standbys: number): Verdict {
  if (standbys > 0 && level === 'minimal')
    return fail(seen, "wal_level = 'replica', and a restart: no standby can follow");
  if (senders < standbys) return fail(seen, `max_wal_senders of at least ${standbys}, and some for backups`);
  return pass(seen);
}

/** Whether slots keep the log that standbys need, and no more than the disk bears. */
export function checkSlots(facts: Facts): Finding[] {
  const standbys = facts.nodes.length - 1;
  return served(facts).flatMap(({ settings, server }) => {
    const bad = server.slots.flatMap((slot) => judgeSlot(slot, server));
    const verdicts = bad.length > 0 ? bad : judgeSlots(server, standbys);
    return verdicts.map((verdict) => finding('replication-slots', verdict, settings.name));
  });
}

function isBounded({ parameters }: ServerFacts): boolean {
  return (numberOf(parameters, 'max_slot_wal_keep_size') ?? -1) >= 0;
}

function judgeSlot({ name, active, walStatus, retainedBytes }: Slot, server: ServerFacts): Verdict[] {
  if (walStatus === 'lost')
    return [fail(`slot ${name} has lost log that its standby needs`, 'clone that standby anew')];
  if (active) return [];
  const seen = `slot ${name} is used by nobody and holds ${Math.round(retainedBytes / MIB)} MiB of log`;
  const drop = `bring its standby back, or SELECT pg_drop_replication_slot('${name}')`;
  if (isBounded(server)) return [warn(`${seen}, up to max_slot_wal_keep_size`, drop)];
  const remedy = `${drop}; and set max_slot_wal_keep_size`;
  // Whoever rules the failover may keep some on standbys, and moves them on.
  if (server.role === 'replica') return [warn(`${seen}, without a limit`, remedy)];
  return [fail(`${seen}, without a limit: it fills the disk`, remedy)];
}

function judgeSlots(server: ServerFacts, standbys: number): Verdict[] {
  const count = server.slots.length;
  if (count > 0 && isBounded(server)) return [pass(`${count} in use, bounded`)];
  if (count > 0)
    return [
      warn(
        `${count} in use, without a limit`,
        'max_slot_wal_keep_size: a standby that stays away fills the disk',
      ),
    ];
  if (server.role === 'replica') return [];
  if (standbys === 0) return [pass('none, and no replicas')];
  const kept = numberOf(server.parameters, 'wal_keep_size') ?? 0;
  if (kept > 0) return [pass(`none; wal_keep_size keeps ${kept} MiB for standbys that were away`)];
  return [
    warn(
      'none, and wal_keep_size is 0: a standby that was away for long must be cloned anew',
      'a slot for each standby with max_slot_wal_keep_size, or wal_keep_size',
    ),
  ];
}
