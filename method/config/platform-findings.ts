/** Judges what a config asks of the world around it: platform, secrets, messages, money. */
import type { RunConfig } from '../../schemas/run-config';
import { secretReferencePattern } from '../../schemas/secrets';
import { hasPrices } from '../ledger';
import { urlProblem } from '../outside-address';
import { pathText, type Segment } from './config-problem';
import { type Finding, finding, type JudgeOptions } from './finding';
import { secretReferences } from './named-parts';

/** A cap that nothing counts towards would be a false promise. */
export function capFindings(config: RunConfig): Finding[] {
  if (config.budget.cap === null || hasPrices(config)) return [];
  return [
    finding(
      ['budget', 'cap'],
      {
        what: 'There is a cap, but no model has a price.',
        why: 'What a run has spent follows from the prices in the config; without them it counts nothing and the cap is never reached.',
        instead:
          'Write models.teacher.price and models.student.price (and those of probe.respondents), or leave the cap out.',
      },
      ['models', 'probe.respondents', 'transfer.students'],
    ),
  ];
}

export function notifyFindings({ notify }: RunConfig): Finding[] {
  return notify.flatMap((target, index) => {
    if (target.kind !== 'webhook' || secretReferencePattern.test(target.url)) return [];
    const problem = urlProblem(target.url, target.allow_http);
    if (problem === undefined) return [];
    return [
      finding(
        ['notify', index, 'url'],
        {
          what: `The address ${problem}`,
          why: 'A message tells of models, money and errors, and its headers hold secrets: it goes to an address that can be trusted, or the config says that it need not be.',
          instead:
            'Write https://…, http://127.0.0.1:PORT/… for this machine, ${env:NAME} for an address that is a secret, or "allow_http: true" beside it.',
        },
        [`notify[${index}].allow_http`],
      ),
    ];
  });
}

/** What a store section without a bucket holds where nothing was written. Runs of earlier versions keep the region in their config. */
const bucketlessStore = { prefix: '', region: 'us-east-1', force_path_style: true } as const;

export function platformFindings(config: RunConfig): Finding[] {
  const { store, temporal } = config.platform;
  const findings: Finding[] = [];
  if (store.endpoint !== undefined && store.bucket === undefined) {
    findings.push(
      finding(['platform', 'store', 'bucket'], {
        what: 'platform.store names an endpoint but no bucket.',
        why: 'Everything is kept in one bucket; without an endpoint and a bucket the embedded store is used.',
        instead: 'Write "bucket: NAME", or leave the endpoint out.',
      }),
    );
  }
  if ((store.access_key_id === undefined) !== (store.secret_access_key === undefined)) {
    const missing = store.access_key_id === undefined ? 'access_key_id' : 'secret_access_key';
    findings.push(
      finding(['platform', 'store', missing], {
        what: `platform.store gives one half of the credentials; ${missing} is missing.`,
        why: 'Both are needed to sign a request.',
        instead: `Write "${missing}: \${env:NAME}", or leave both out to use AWS's own provider chain.`,
      }),
    );
  }
  if (temporal.api_key !== undefined && temporal.address === undefined) {
    findings.push(
      finding(['platform', 'temporal', 'address'], {
        what: 'platform.temporal has an api_key but no address.',
        why: 'The embedded server takes no key.',
        instead: 'Write "address: HOST:PORT", or leave the api_key out.',
      }),
    );
  }
  if (temporal.namespace !== 'default' && temporal.address === undefined) {
    findings.push(
      finding(['platform', 'temporal', 'namespace'], {
        what: `platform.temporal names the namespace ${temporal.namespace}, but no address.`,
        why: 'A namespace is one of the engine that the section names. The embedded one has its own; with TEMPORAL_ADDRESS goes TEMPORAL_NAMESPACE.',
        instead: 'Write "address: HOST:PORT" beside it, or leave the namespace out.',
      }),
    );
  }
  if (store.bucket === undefined) {
    const ofBucket = (['prefix', 'region', 'force_path_style'] as const).filter(
      (name) => store[name] !== undefined && store[name] !== bucketlessStore[name],
    );
    for (const name of ofBucket)
      findings.push(
        finding(['platform', 'store', name], {
          what: `platform.store.${name} is written, but no bucket.`,
          why: 'It says how one bucket is used. The embedded store takes none of it; with ARTE_S3_BUCKET go ARTE_S3_PREFIX and AWS_REGION.',
          instead: `Write "bucket: NAME" beside it, or leave ${name} out.`,
        }),
      );
  }
  return findings;
}

/** `${env:NAME}`: a name that is not set stops a run, and is a remark otherwise; and it works in secrets only. */
export function environmentFindings(
  config: RunConfig,
  { purpose, environment }: JudgeOptions,
): { findings: Finding[]; notes: string[] } {
  const secrets = secretReferences(config);
  const findings: Finding[] = [];
  const notes: string[] = [];
  for (const { segments, name } of secrets) {
    if ((environment[name] ?? '') !== '') continue;
    const place = pathText(segments);
    if (purpose === 'worker' && segments[0] !== 'platform') continue;
    if (purpose === 'plan') {
      notes.push(`${name} is not set in this environment; a run needs it (${place}).`);
      continue;
    }
    findings.push(
      finding(segments, {
        what: `${place} is read from ${name}, which is not set in this environment.`,
        why: 'Secrets are read from the environment and nowhere else.',
        instead: `Set ${name} (export ${name}=…) where arte and its workers are started.`,
      }),
    );
  }
  const known = new Set(secrets.map(({ segments }) => pathText(segments)));
  visitTexts(config, [], (text, segments) => {
    if (!text.includes('${env:') || known.has(pathText(segments))) return;
    findings.push(
      finding(segments, {
        what: `${pathText(segments)} holds \${env:…}, which is not read here.`,
        why: 'Only secrets come from the environment; everything else of a run stands in its config, so that it can be repeated.',
        instead: 'Write the value itself.',
      }),
    );
  });
  return { findings, notes };
}

function visitTexts(
  value: unknown,
  segments: readonly Segment[],
  visit: (text: string, segments: readonly Segment[]) => void,
): void {
  if (typeof value === 'string') visit(value, segments);
  else if (Array.isArray(value))
    for (const [index, item] of value.entries()) visitTexts(item, [...segments, index], visit);
  else if (typeof value === 'object' && value !== null)
    for (const [key, item] of Object.entries(value)) visitTexts(item, [...segments, key], visit);
}
