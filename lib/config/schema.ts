import { z } from 'zod';
import { CONSISTENCIES } from '../query.js';
import { crossChecks } from './checks.js';
import { database, masterNode, replicaNode, secret, ssl, tls, user } from './node-schema.js';
import { section, setting } from './setting.js';
import { byteSize, callback, choice, duration, flag, isHttpUrl, number, text } from './values.js';

const httpToken = text('a name of letters, digits and -_', (value) => /^[\w-]+$/.test(value));
/** In characters. */
export const SHORTEST_SECRET = 16;
const secretText = text(
  `a text of at least ${SHORTEST_SECRET} characters`,
  (value) => value.length >= SHORTEST_SECRET,
);
const positive = duration({ zero: 'refused' });
const orZero = duration({ zero: 'allowed' });

const masters = z
  .array(masterNode, { error: 'expected a list of nodes' })
  .min(1, 'expected at least one node')
  .describe('The nodes configured as primary. Their account serves whichever node is primary.');

const replicas = z
  .array(replicaNode, { error: 'expected a list of nodes' })
  .prefault([])
  .describe(
    'The nodes configured as replicas. Their account serves whichever nodes are replicas. Default: none.',
  );

const connectionPool = section('The connections to each node.', {
  min_connections: setting(
    number('a whole number of at least 0', { min: 0 }),
    1,
    'Connections per node that are opened at start and kept.',
  ),
  max_connections: setting(
    number('a whole number of at least 1', { min: 1 }),
    10,
    'Most connections per node.',
  ),
  idle_timeout: setting(
    positive,
    '60s',
    'A connection above the minimum is closed after it was idle this long.',
  ),
  max_lifetime: setting(positive, '30min', 'A connection is replaced at this age, less up to 10 %.'),
  acquire_timeout: setting(positive, '5s', 'Longest wait for a free connection.'),
  connection_timeout: setting(positive, '5s', 'Longest time for opening a connection.'),
  keepalive_interval: setting(
    positive,
    '30s',
    'A connection idle for this long is asked whether it still lives.',
  ),
  application_name: setting(
    text('a name of at most 63 bytes', (value) => Buffer.byteLength(value) <= 63),
    'nestjs-pg-mcp',
    'The name that pg_stat_activity shows.',
  ),
  prepare: setting(
    flag(),
    true,
    'Statements that come again and again are prepared; off behind a PgBouncer that does not follow them.',
  ),
  statement_timeout: setting(
    orZero,
    '0s',
    "The server cancels a statement that runs longer; 0 leaves it to the server's own setting.",
  ),
});

const healthCheck = section('The probes of each node.', {
  interval: setting(positive, '1s', 'Time between two probes of a node.'),
  timeout: setting(positive, '2s', 'A probe without an answer for this long has failed.'),
});

const routing = section('Which node serves a statement.', {
  default: setting(choice(['auto', 'primary']), 'auto', 'What undecorated calls do.'),
  max_lag: setting(orZero, '10s', 'A replica that is further behind takes no reads.'),
  max_lag_bytes: setting(byteSize(), '16MiB', 'A replica that is further behind takes no reads.'),
  balance: setting(
    choice(['least-loaded', 'round-robin', 'random', 'weighted']),
    'least-loaded',
    'How reads are spread over the replicas.',
  ),
  mode: setting(
    choice(['live', 'shadow']),
    'live',
    'shadow sends undecorated calls to the primary and counts where they would have gone.',
  ),
  safe_functions: z
    .array(text('the name of a function: name or schema.name'), { error: 'expected a list of names' })
    .prefault([])
    .describe('Volatile functions of your own that may run on a replica. Default: none.'),
  slow_start: setting(
    orZero,
    '10s',
    'A replica that comes back takes a tenth of its share at first and all of it after this long.',
  ),
  zone: text('the name of a zone')
    .optional()
    .describe('The zone this application runs in: replicas of other zones read only where none of it can.'),
});

const consistency = setting(
  choice(CONSISTENCIES),
  'session',
  'What reads must have seen: session, what their session has written; eventual, whatever a replica has; strong, everything: they go to the primary.',
);

const session = section('How a session goes on in another process: by a signed token.', {
  secret: secretText
    .optional()
    .describe(
      'What tokens are signed with, the same in all processes; at least 16 characters. Default: PG_MCP_SESSION_SECRET, else a random one.',
    ),
  header: setting(httpToken, 'x-pg-session', 'The HTTP header that carries the token, both ways.'),
  cookie: setting(httpToken, 'pg_session', 'The cookie that carries the token.'),
});

const patroni = section("Patroni's REST API, for mode patroni.", {
  urls: z
    .array(text("a URL like 'http://db1:8008', without an account", isHttpUrl), {
      error: 'expected a list of URLs',
    })
    .prefault([])
    .describe('Where the nodes offer it; one that answers is enough. Default: none.'),
  user: user.optional().describe('Of basic authentication, which a switchover may ask for.'),
  password: secret,
  ssl: tls.optional().describe('For https: what a node takes, but for mode disable.'),
  timeout: setting(positive, '2s', 'Longest wait for an answer.'),
});

const failover = section('What happens when the primary is gone.', {
  mode: setting(
    choice(['follow', 'promote', 'patroni']),
    'follow',
    'follow finds the node that someone else promoted; promote promotes a replica; patroni asks Patroni.',
  ),
  max_retry_attempts: setting(
    number('a whole number of at least 1', { min: 1 }),
    3,
    'A node is down when so many probes in a row have failed.',
  ),
  retry_delay: setting(
    positive,
    '250ms',
    'Time between two probes of a node in trouble, and of every node while there is no primary.',
  ),
  max_data_loss: setting(
    byteSize(),
    '16MiB',
    'promote refuses a replica that lacks more of what the primary was last seen to have.',
  ),
  without_quorum: setting(
    flag(),
    false,
    'promote does without a majority of the nodes: two primaries may come of it.',
  ),
  max_waiting_calls: setting(
    number('a whole number of at least 0', { min: 0 }),
    1_000,
    'So many calls may wait for a primary; others fail at once.',
  ),
  notification_callback: callback().optional().describe('From TypeScript: called with every step.'),
  patroni: patroni.prefault({}),
});

const leakDetection = section('Connections that are not given back.', {
  threshold: setting(
    orZero,
    '0s',
    'Whoever keeps a connection for longer is told of, with the stack that took it; 0 turns detection off.',
  ),
  action: setting(
    choice(['report', 'destroy']),
    'report',
    'destroy also cuts the connection of a lease, or of a client of cluster.pool, that is held for longer.',
  ),
});

const startup = section('The start of the application.', {
  attempts: setting(
    number('a whole number of at least 1', { min: 1 }),
    3,
    'How often to try before the start fails.',
  ),
  delay: setting(orZero, '1s', 'Time between two attempts.'),
});

const shutdown = section('The end of the application.', {
  drain_timeout: setting(orZero, '25s', 'How long connections in use may finish their work.'),
});

const monitor = section('Another account for the probes.', {
  user: user
    .optional()
    .describe('The account of the probes. Default: the account of the list that the node stands in.'),
  password: secret,
  database: database.optional().describe("The database of the probes. Default: the node's."),
});

/** The keywords of the original library: each is folded into the setting that means the same. */
const failoverStrategy = section('As the original library names it.', {
  check_interval: positive.optional().describe('Write health_check.interval.'),
  max_retry_attempts: number('a whole number of at least 1', { min: 1 })
    .optional()
    .describe('Write failover.max_retry_attempts.'),
  retry_delay: positive.optional().describe('Write failover.retry_delay.'),
  promote_replica: flag().optional().describe('Write failover.mode, and failover.without_quorum.'),
  notification_callback: callback().optional().describe('Write failover.notification_callback.'),
}).meta({ deprecated: true });

/** The shape of a configuration, in the spelling of the file. What `parse` gives has every default filled in. */
export const clusterSchema = z
  .strictObject(
    {
      $schema: z
        .string('expected the address of a JSON Schema')
        .optional()
        .describe('The JSON Schema of this file.'),
      masters,
      replicas,
      ssl: ssl.describe(
        'TLS to every node, where a node does not say otherwise: false, true for a verified certificate, or options. Default: false.',
      ),
      connection_pool: connectionPool.prefault({}),
      health_check: healthCheck.prefault({}),
      routing: routing.prefault({}),
      consistency,
      session: session.prefault({}),
      failover: failover.prefault({}),
      leak_detection: leakDetection.prefault({}),
      startup: startup.prefault({}),
      shutdown: shutdown.prefault({}),
      monitor: monitor.prefault({}),
      failover_strategy: failoverStrategy.optional(),
      health_check_timeout: positive
        .optional()
        .meta({ deprecated: true, description: 'Write health_check.timeout.' }),
      health_check_interval: positive
        .optional()
        .meta({ deprecated: true, description: 'Write health_check.interval.' }),
    },
    { error: 'expected an object' },
  )
  .superRefine(crossChecks, { when: () => true });

/** A configuration as the file writes it. */
export type ClusterFile = z.input<typeof clusterSchema>;

/** A configuration that has passed. */
export type CheckedCluster = z.output<typeof clusterSchema>;
