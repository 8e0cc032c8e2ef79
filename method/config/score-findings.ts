/** Judges how drafts are scored: signals, racing, and what is measured beside. */
import type { RunConfig } from '../../schemas/run-config';
import { signalNames, signalsOf } from '../../schemas/signals';
import { firstBlockOf } from '../racing';
import { scoresTexts } from '../served';
import { signals } from '../signals';
import { type Finding, finding } from './finding';

/** A first wave that would leave too few calls to race for is cut. */
export function racingNotes({ score, probe }: RunConfig): string[] {
  const { mode, confidence, first_block: firstBlock, calls_max: callsMax } = score;
  if (mode !== 'racing' || confidence >= 1 || probe.method === 'full') return [];
  const items = firstBlockOf(probe.size, { firstBlock, callsMax });
  return items < firstBlock
    ? [
        `score.mode: racing asks ${items} probe items of every draft in its first wave, not score.first_block = ${firstBlock}: it takes half of the calls at most, and score.calls_max x probe.size is ${Math.round(10 * callsMax * probe.size) / 10} a draft.`,
      ]
    : [];
}

/** Signals: what each needs of the student, and what goes together. */
export function signalFindings({ score, models: { student } }: RunConfig): Finding[] {
  const findings: Finding[] = [];
  const asked = signalsOf(score);
  if (score.signal === 'combined' && asked.length < 2) {
    findings.push(
      finding(
        ['score', 'combine'],
        {
          what: `score.signal is combined, and score.combine names ${asked.length === 1 ? 'one signal' : 'none'}.`,
          why: 'A combination is a mean of ranks by two signals or more.',
          instead: `Write two or more of ${signalNames.join(', ')} with a weight each${asked[0] === undefined ? '' : `, or "signal: ${asked[0]}"`}.`,
        },
        ['score.signal'],
      ),
    );
  }
  const texts = asked.filter((name) => signals[name].asks === 'text');
  if (score.mode === 'racing' && score.signal !== 'icl_accuracy') {
    findings.push(
      finding(
        ['score', 'mode'],
        {
          what: `score.mode is racing, and score.signal is ${score.signal}.`,
          why: 'Racing predicts right and wrong answers; of other signals it knows nothing, and they cost a pass over a text instead of an answer.',
          instead: 'Write "mode: exhaustive", or "signal: icl_accuracy".',
        },
        ['score.signal'],
      ),
    );
  }
  if (texts.length === 0) return findings;
  const { endpoint } = student;
  if (endpoint.kind === 'static' && !scoresTexts(endpoint) && student.source.startsWith('hosted:')) {
    findings.push(
      finding(
        ['models', 'student', 'endpoint', 'capabilities', 'prompt_logprobs'],
        {
          what: `score.signal asks for ${texts.join(' and ')}, and nobody can say how probable a text is to the student.`,
          why: 'Its endpoint does not declare prompt_logprobs with dialect: vllm, and a hosted model has no weights for the scorer to read.',
          instead:
            'Write "dialect: vllm" and "prompt_logprobs: true" if the server is a vLLM; name the weights as the source (hf:ORG/NAME, a folder); or write "signal: icl_accuracy".',
        },
        ['score.signal', 'models.student.source', 'models.student.endpoint'],
      ),
    );
  }
  return findings;
}

/** What is asked on validation items outside of the preference set needs some. */
export function heldOutFindings({ probe, rounds: { gates } }: RunConfig): Finding[] {
  const wanted = [
    ...(gates.icl_examples > 0
      ? [{ path: ['rounds', 'gates', 'icl_examples'], name: 'rounds.gates.icl_examples' }]
      : []),
    ...(probe.agreement_questions > 0
      ? [{ path: ['probe', 'agreement_questions'], name: 'probe.agreement_questions' }]
      : []),
  ];
  if (probe.method !== 'full') return [];
  return wanted.map(({ path, name }) =>
    finding(
      path,
      {
        what: `${name} needs validation items outside of the preference set, and probe.method: full leaves none.`,
        why: 'What the drafts were chosen by says nothing new about them.',
        instead: 'Write 0 here, or "probe: {method: irt}" or random with a size below the number of validation items.',
      },
      ['probe.method'],
    ),
  );
}

/** Agreement is of right answers on all validation items; a rank, a log-probability or a race's estimate cannot be added to those. */
export function agreementFindings({ probe, score }: RunConfig): Finding[] {
  const by = score.signal !== 'icl_accuracy' ? 'signal' : 'mode';
  if (probe.agreement_questions === 0 || (score.signal === 'icl_accuracy' && score.mode === 'exhaustive')) return [];
  return [
    finding(
      ['probe', 'agreement_questions'],
      {
        what: `probe.agreement_questions is ${probe.agreement_questions}, and score.${by} is ${score[by]}.`,
        why: "It tells how often the drafts chosen by the preference set are those of all validation items, by the share of right answers on each; this score is no such share of every draft's.",
        instead: 'Write 0 here, or "score: {signal: icl_accuracy, mode: exhaustive}".',
      },
      [`score.${by}`],
    ),
  ];
}
