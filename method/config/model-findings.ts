/** Judges the models of a config: sources, endpoints, and whether these can do what the settings ask of them. */
import { embeddedModels } from '../../schemas/model-ref';
import type { ModelConfig } from '../../schemas/config/models';
import type { RunConfig } from '../../schemas/run-config';
import { hasGold } from '../warm-up';
import { pathText, type Segment } from './config-problem';
import { nearestName } from './explain-shape';
import { type Finding, finding } from './finding';
import { type NamedModel, namedModels } from './named-parts';

const otherForms = 'hf:ORG/NAME, a folder, a .gguf file, s3://BUCKET/PREFIX or hosted:PROVIDER/ID';
const sourceForms = `embedded:NAME, ${otherForms}`;

/** What is wrong with how a model's source is written, or undefined. Whether it is there is not judged here. */
function sourceTrouble(source: string): string | undefined {
  if (source.trim() === '') return 'It is empty.';
  if (source.startsWith('hf:') && !/^hf:[\w.-]+\/[\w.-]+$/.test(source)) return 'A Hugging Face id is ORG/NAME.';
  if (source.startsWith('hosted:') && !/^hosted:[^/\s]+\/\S+$/.test(source)) return 'A hosted model is PROVIDER/ID.';
  if (source.startsWith('s3:') && !/^s3:\/\/[a-z0-9][a-z0-9.-]+\/.+$/.test(source))
    return 'A model in S3 is s3://BUCKET/PREFIX.';
  if (source.startsWith('embedded:')) return embeddedTrouble(source.slice('embedded:'.length));
  const scheme = /^([a-z][a-z0-9]*):/i.exec(source)?.[1];
  // One letter is a drive of Windows, not a scheme.
  if (scheme !== undefined && scheme.length > 1 && !['hf', 'hosted', 's3', 'embedded'].includes(scheme))
    return `"${scheme}:" is not known.`;
  return undefined;
}

function embeddedTrouble(name: string): string | undefined {
  if (embeddedModels.some((known) => known === name)) return undefined;
  return `There is no embedded model "${name}".`;
}

/** What to write in the place of a source that says nothing: for a misspelt embedded model its name, and those that there are. */
function sourceInstead(source: string): string {
  if (!source.startsWith('embedded:')) return `Write ${sourceForms}.`;
  const nearest = nearestName(source.slice('embedded:'.length), embeddedModels);
  const meant = nearest === undefined ? '' : `Write "embedded:${nearest}", if that is what was meant. `;
  const list = embeddedModels.map((name) => `embedded:${name}`).join(', ');
  return `${meant}Embedded models that there are: ${list}. Others are written ${otherForms}.`;
}

export function modelFindings(config: RunConfig): Finding[] {
  const findings: Finding[] = [];
  for (const { role, segments, model } of namedModels(config)) {
    const place = pathText(segments);
    const source: readonly Segment[] = [...segments, 'source'];
    const trouble = sourceTrouble(model.source);
    if (trouble !== undefined) {
      findings.push(
        finding(source, {
          what: `${place}.source does not say where the model is. ${trouble}`,
          why: 'The source tells how to get the weights, and whether there are any to get.',
          instead: sourceInstead(model.source),
        }),
      );
      continue;
    }
    if (!model.source.startsWith('hosted:')) continue;
    const isStudent = role === 'student' || role === 'other';
    if (isStudent || (role === 'teacher' && (config.align.method !== 'none' || hasGold(config)))) {
      findings.push(
        finding(source, {
          what: `${role === 'other' ? 'This student' : `The ${role}`} is a hosted model, which cannot be trained here.`,
          why:
            role === 'teacher'
              ? `${config.align.method === 'none' ? 'The warm-up on the gold examples of the tasks' : `align.method: ${config.align.method}`} changes the weights of the teacher, and a hosted model keeps its own.`
              : 'The student is trained on the tailored set, and a hosted model keeps its weights.',
          instead: `Name weights of your own (hf:ORG/NAME, a folder, a .gguf file, s3://BUCKET/PREFIX)${role === 'teacher' ? `, or write "align: {method: none}"${hasGold(config) ? ' and no gold' : ''}: preferences then only choose among its drafts` : ''}.`,
        }),
      );
    }
    if (model.endpoint.kind === 'managed') {
      findings.push(
        finding([...segments, 'endpoint'], {
          what: `${place} is hosted by somebody else, but its endpoint is managed.`,
          why: 'managed means that the worker starts a server with the weights, and there are none to start it with.',
          instead: 'Write "endpoint: {kind: static, base_url: https://…/v1, model: NAME, api_key: ${env:NAME}}".',
        }),
      );
    }
  }
  return findings;
}

/**
 * A hosted model is what its source and revision say, whatever its endpoint is asked for: where the two names differ, a change of the second alone would
 * reuse what the first one wrote.
 */
export function hostedNotes(config: RunConfig): string[] {
  return namedModels(config).flatMap(({ segments, model: { source, endpoint } }) => {
    if (!source.startsWith('hosted:') || endpoint.kind !== 'static') return [];
    const id = source.slice(source.indexOf('/') + 1);
    if (endpoint.model === id) return [];
    return [
      `${pathText(segments)} is ${source} by its source, and its endpoint is asked for "${endpoint.model}": what it writes is kept under the source and the revision. When another model answers to that name, or another name is asked for, change those, or its earlier answers are reused.`,
    ];
  });
}

/** A static endpoint serves what it was started with; what a training makes of the model is not asked there. */
export function staticNotes(config: RunConfig): string[] {
  const trained = ['student', 'other', ...(config.align.method === 'none' && !hasGold(config) ? [] : ['teacher'])];
  return namedModels(config)
    .filter(({ role, model }) => trained.includes(role) && model.endpoint.kind === 'static')
    .map(
      ({ role, segments }) =>
        `${pathText(segments)} has a static endpoint, which serves the weights it was started with: the trained ${role === 'other' ? 'student' : role} cannot be asked there. For a run to its end use kind: managed.`,
    );
}

/** What a config asks for and no server is told. */
export function omittedNotes(config: RunConfig): string[] {
  return namedModels(config).flatMap(({ segments, model: { endpoint } }) => {
    if (endpoint.kind !== 'static') return [];
    const drawn = (['temperature', 'top_p'] as const).filter((field) => endpoint.omit.includes(field));
    if (drawn.length === 0) return [];
    const place = pathText([...segments, 'endpoint']);
    const [its, of] = drawn.length === 1 ? ['its own holds', 'it'] : ['their own hold', 'them'];
    return [`${place}.omit has ${drawn.join(' and ')}: ${its} there, and no setting of ${of} has an effect.`];
  });
}

type Capability = 'n' | 'structured' | 'completion' | 'per_request_sampling' | 'extended_sampling';

interface Need {
  readonly capability: Capability;
  /** The setting that needs it. */
  readonly setting: string;
  readonly because: string;
  readonly otherwise: string;
}

/** What the stages need of a model, by the settings as they stand. */
function needsOf(config: RunConfig, { role, model }: NamedModel, place: string): Need[] {
  const needs: Need[] = [
    {
      capability: 'per_request_sampling',
      setting: place,
      because:
        'Every call sends its own temperature and length; a server that ignores them answers in another way than the record says.',
      otherwise: 'use an endpoint that honours them',
    },
  ];
  if (model.prompt_style === 'completion') {
    needs.push({
      capability: 'completion',
      setting: `${place}.prompt_style`,
      because: 'prompt_style: completion sends raw text to /v1/completions.',
      otherwise: 'write "prompt_style: chat"',
    });
  }
  if (role === 'teacher' && config.questions.format === 'json') {
    needs.push({
      capability: 'structured',
      setting: 'questions.format',
      because: 'questions.format: json has the answer constrained by a JSON Schema.',
      otherwise: 'write "format: tagged"',
    });
  }
  if (role === 'teacher' && config.questions.answers_per_call > 1) {
    needs.push({
      capability: 'n',
      setting: 'questions.answers_per_call',
      because: 'questions.answers_per_call asks for several answers to one prompt in one call.',
      otherwise: 'write "answers_per_call: 1"',
    });
  }
  const sampled =
    role === 'teacher'
      ? ([
          ['questions', config.questions],
          ['rationales', config.rationales],
          ['tailor.questions', config.tailor.questions],
          ['tailor.rationales', config.tailor.rationales],
        ] as const)
      : role === 'student'
        ? ([['score', config.score]] as const)
        : [];
  const extended = sampled.find(([, settings]) => settings.top_k > 0 || settings.min_p > 0);
  if (extended !== undefined) {
    needs.push({
      capability: 'extended_sampling',
      setting: extended[0],
      because: `${extended[0]} sets top_k or min_p, which not every server knows.`,
      otherwise: 'set both to 0',
    });
  }
  return needs;
}

/** Several answers to one prompt: all the same, or more than the server takes. */
export function answersFindings({ questions, tailor, models }: RunConfig): Finding[] {
  const { answers_per_call: answers } = questions;
  if (answers === 1) return [];
  const sampled = [
    [['questions'], questions],
    [['tailor', 'questions'], tailor.questions],
  ] as const;
  const same = sampled
    .filter(([, { temperature }]) => temperature === 0)
    .map(([segments]) =>
      finding(
        [...segments, 'temperature'],
        {
          what: `${segments.join('.')}.temperature is 0 while questions.answers_per_call asks for ${answers} answers to one prompt.`,
          why: 'At temperature 0 all of them are the same answer, paid several times.',
          instead: 'Write a temperature above 0 (the paper: 1), or "answers_per_call: 1".',
        },
        ['questions.answers_per_call'],
      ),
    );
  const { endpoint } = models.teacher;
  if (endpoint.kind !== 'managed' || answers <= endpoint.slots) return same;
  return [
    ...same,
    finding(
      ['questions', 'answers_per_call'],
      {
        what: `questions.answers_per_call is ${answers}, and models.teacher.endpoint has ${endpoint.slots} slots.`,
        why: "llama.cpp's server writes each answer of a call in a slot of its own and refuses calls for more.",
        instead: `Write at most ${endpoint.slots}, or more slots.`,
      },
      ['models.teacher.endpoint.slots'],
    ),
  ];
}

export function capabilityFindings(config: RunConfig): Finding[] {
  return namedModels(config).flatMap((named) => {
    const { endpoint } = named.model;
    // The servers that a worker starts, and the scripts, have what the stages need; that is tested with them.
    if (endpoint.kind !== 'static') return [];
    const place = pathText(named.segments);
    return needsOf(config, named, place)
      .filter(({ capability }) => !endpoint.capabilities[capability])
      .map(({ capability, setting, because, otherwise }) =>
        finding(
          [...named.segments, 'endpoint', 'capabilities', capability],
          {
            what: `${place} needs the capability "${capability}", which its endpoint does not declare.`,
            why: because,
            instead: `Write "${capability}: true" under capabilities if the server has it; else ${otherwise}.`,
          },
          [setting],
        ),
      );
  });
}

/** Another student is another one. */
export function otherStudentFindings({ models, transfer }: RunConfig): Finding[] {
  const identity = ({ source, revision, prompt_style: style }: ModelConfig): string =>
    [source, revision, style].join(' ');
  const named = [
    { place: 'models.student', model: models.student },
    ...transfer.students.map((model, index) => ({ place: `transfer.students[${index}]`, model })),
  ];
  return transfer.students.flatMap((model, index) => {
    const same = named.slice(0, index + 1).find((one) => identity(one.model) === identity(model));
    if (!same) return [];
    return [
      finding(
        ['transfer', 'students', index],
        {
          what: `transfer.students[${index}] is the model of ${same.place}, ${model.source}, prompted in the same form.`,
          why: 'Transfer is to a student that the teacher was not aligned for; this one stands in the report already.',
          instead: 'Name another model, or take it out.',
        },
        [same.place],
      ),
    ];
  });
}

/** An answer as long as the whole context leaves no room for the question. */
export function lengthFindings(config: RunConfig): Finding[] {
  const teacher: readonly (readonly [string, number])[] = [
    ['questions.max_tokens', config.questions.max_tokens],
    ['rationales.max_tokens', config.rationales.max_tokens],
    ['tailor.questions.max_tokens', config.tailor.questions.max_tokens],
    ['tailor.rationales.max_tokens', config.tailor.rationales.max_tokens],
    ...(config.arms.includes('teacher') ? [['evaluate.max_tokens', config.evaluate.max_tokens] as const] : []),
  ];
  const student: readonly (readonly [string, number])[] = [
    ['score.max_tokens', config.score.max_tokens],
    ['evaluate.max_tokens', config.evaluate.max_tokens],
  ];
  const lengths = {
    ...{ teacher, student, respondent: [['probe.max_tokens', config.probe.max_tokens]] as const },
    other: [['evaluate.max_tokens', config.evaluate.max_tokens]] as const,
  };
  return namedModels(config).flatMap(({ role, segments, model }) => {
    const { endpoint } = model;
    if (endpoint.kind !== 'managed') return [];
    return lengths[role]
      .filter(([, tokens]) => tokens >= endpoint.context_tokens)
      .map(([setting, tokens]) =>
        finding(
          [...segments, 'endpoint', 'context_tokens'],
          {
            what: `${setting} is ${tokens}, but the ${role === 'other' ? 'student' : role}'s server holds only ${endpoint.context_tokens} tokens of prompt and answer.`,
            why: 'The prompt would have no room left.',
            instead: `Write a context_tokens above ${tokens} and the prompt's length, or lower ${setting}.`,
          },
          [setting],
        ),
      );
  });
}
