/**
 * A message about a run to one target of its config (docs/notify.md): the body is made, secrets are looked up, one attempt, and what became of it is
 * left in the run's records. Owns the body and the notices; how it travels is drivers/notify/, how often it is tried workflows/notify.ts.
 *
 * Invariants: 1. A failed attempt is in the records before it is tried again. 2. No secret that the config names stands in a body, a notice or an error.
 */
import { activityInfo, cancellationSignal } from '@temporalio/activity';
import { DeliveryFailure, type NotifyTarget } from '../drivers/notify/notifier';
import type { ArtifactStore } from '../drivers/store/store';
import { secretReferences } from '../method/config/named-parts';
import { urlProblem } from '../method/outside-address';
import { hasPrices, ledgerTotals } from '../method/ledger';
import { ArteError } from '../schemas/errors';
import type { JsonValue } from '../schemas/json';
import type { Notice, Notification, RunNews, SendInput } from '../schemas/notification';
import type { NotifyTargetConfig } from '../schemas/config/notify';
import type { RunConfig } from '../schemas/run-config';
import { headerReferencePattern, secretReferencePattern, withoutSecrets } from '../schemas/secrets';
import { readLedger } from './budget';
import { openBundle } from './bundle';
import type { IoDependencies } from './dependencies';
import { noticeKey } from './notices';

/** One attempt. Errors: NotificationFailed when it is worth another one, and the store's. */
export async function sendNotification(
  { store, notifier, environment }: IoDependencies,
  { runId, bundle, target: place, news, attempts, record }: SendInput,
): Promise<Notice> {
  const { config } = await openBundle(store, bundle);
  const asked = config.notify[place];
  if (!asked) throw new Error(`the config of ${runId} has no target ${String(place)} to notify`);
  const secrets = secretReferences(config).flatMap(({ name }) => environment[name] ?? []);
  const { attempt } = activityInfo();
  const notice = { schemaVersion: 1, id: news.id, event: news.event, at: news.at, attempts: attempt } as const;
  const say = async (outcome: Pick<Notice, 'to' | 'state' | 'why'>): Promise<Notice> => {
    const said: Notice = { ...notice, ...outcome };
    if (record) await store.putDocument(noticeKey(runId, said, place), said as unknown as JsonValue);
    return said;
  };
  let to: string = asked.kind;
  try {
    const target = resolved(asked, environment);
    to = titleOf(target);
    const body = JSON.stringify(await bodyOf(store, runId, config, news));
    await notifier.deliver(target, withoutSecrets(body, secrets), news.id, cancellationSignal());
  } catch (error) {
    if (!(error instanceof DeliveryFailure)) throw error;
    const why = withoutSecrets(error.message, secrets);
    if (error.isFinal || attempt >= attempts) return say({ to, state: 'failed', why });
    await say({ to, state: 'trying', why });
    throw new ArteError('NotificationFailed', {
      what: `The message "${news.event}" about ${runId} did not reach ${to}.`,
      why,
      next: 'It is tried again by itself; the run goes on without it.',
    });
  }
  return say({ to, state: 'delivered' });
}

async function bodyOf(
  store: ArtifactStore,
  runId: string,
  config: RunConfig,
  { id, event, status, round, rounds, what, code, stage, why, next, at }: RunNews,
): Promise<Notification> {
  const ledger = hasPrices(config) ? await readLedger(store, runId, config) : undefined;
  return {
    ...{ schemaVersion: 1, id, event, run: runId, name: config.name, status, round, rounds, what },
    ...{ code: code ?? null, stage: stage ?? null, why: why ?? null, next },
    spent: ledger ? ledgerTotals(ledger).spent : null,
    cap: ledger?.cap ?? null,
    currency: ledger ? config.platform.currency : null,
    at,
  };
}

/** Of an address only the host: its path may be a secret. */
function titleOf(target: NotifyTarget): string {
  return target.kind === 'webhook'
    ? `webhook ${new URL(target.url).origin}`
    : `command ${target.command[0]?.split('/').at(-1) ?? ''}`;
}

/** Secrets are looked up here, in the worker's environment. Errors: DeliveryFailure. */
function resolved(target: NotifyTargetConfig, environment: IoDependencies['environment']): NotifyTarget {
  const timeoutMs = target.timeout_seconds * 1000;
  if (target.kind === 'command') return { kind: 'command', command: target.command, timeoutMs };
  const valueOf = (name: string): string => {
    const value = environment[name];
    if (value === undefined || value === '')
      throw new DeliveryFailure(`${name} is not set in the environment of the worker.`, false);
    return value;
  };
  const reference = secretReferencePattern.exec(target.url)?.[1];
  const url = reference === undefined ? target.url : valueOf(reference);
  const problem = urlProblem(url, target.allow_http);
  if (problem !== undefined)
    throw new DeliveryFailure(`${reference === undefined ? 'Its address' : reference} ${problem}`, true);
  const headers: Record<string, string> = {};
  for (const [name, text] of Object.entries(target.headers)) {
    const [, scheme = '', variable = ''] = headerReferencePattern.exec(text) ?? [];
    const value = valueOf(variable);
    if (/[^\x20-\x7e]/.test(value))
      throw new DeliveryFailure(`${variable} holds characters that no header may hold.`, true);
    headers[name] = scheme + value;
  }
  return { kind: 'webhook', url, headers, timeoutMs };
}
