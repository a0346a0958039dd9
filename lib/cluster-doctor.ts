import { examine, type DoctorOptions } from './doctor/examine.js';
import type { DoctorReport } from './doctor/finding.js';
import type { GatherParts } from './doctor/gather.js';
import {
  failoverConnectOptions,
  monitorConnectOptions,
  poolConnectOptions,
} from './execution/connect-options.js';

export type Doctor = (options?: DoctorOptions) => Promise<DoctorReport>;

/** The checklist for one cluster, which connects as its pools, probes and failovers do. */
export function doctorOf(cluster: string, parts: Pick<GatherParts, 'settings' | 'clock' | 'driver'>): Doctor {
  const { settings } = parts;
  return (options = {}) =>
    examine(cluster, options, {
      ...parts,
      wallClock: Date.now,
      connectAs: {
        monitor: (node) => monitorConnectOptions(node, settings),
        failover: (node) => failoverConnectOptions(node, settings),
        pool: (node, role) => poolConnectOptions(node, role, settings),
      },
    });
}
