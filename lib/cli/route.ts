import type { RouteExplanation } from '../execution/route-explanation.js';
import { observing } from './observing.js';
import { asJson, EXIT, type Outcome } from './outcome.js';
import { paint } from './paint.js';

export async function route(
  sql: string,
  config: string,
  { json }: { readonly json: boolean },
): Promise<Outcome> {
  await using cluster = observing(config);
  await cluster.connect();
  const explanation = await cluster.explainRoute(sql);
  return { code: EXIT.ok, text: json ? asJson(explanation) : asText(explanation) };
}

function asText({ target, node, reason, detail }: RouteExplanation): string {
  const where = paint('bold', node === undefined ? target : `${target} ${node}`);
  return `${where}: ${reason}${detail === undefined ? '' : `, ${detail}`}\n`;
}
