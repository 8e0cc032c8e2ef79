/**
 * check-round: the gates of a round (rounds.gates), judged on what the aligned teacher wrote before the student is trained on it. Owns where the
 * evidence comes from; measures and limits are method/gates.ts. With `action: park` a failed gate stops the run here; else decide reads the
 * verdicts from this stage's manifest.
 *
 * Inputs: tasks, tailored (the training set), before (that of the teacher that was never aligned). `extra.training` and `extra.gain` are the keys
 * of train-dpo and score-sample, where these were made.
 */
import { describeFailure, judgeGates, tailoredEvidence, type RoundEvidenceOfGates } from '../method/gates';
import { ArteError } from '../schemas/errors';
import type { JsonObject } from '../schemas/json';
import { tailoredRowSchema } from '../schemas/rows';
import { taskRecordSchema } from '../schemas/task';
import type { StoreDependencies } from './dependencies';
import { readRows } from './read-rows';
import type { SampleFacts } from './score-sample';
import { finishedStage, inputRef, type WholeStage } from './stage';

/** Lines of an error that name what to look at. */
const examplesShownMax = 3;
const exampleCharactersMax = 160;

export const checkRound: WholeStage<StoreDependencies> = {
  name: 'check-round',
  version: 1,
  settings: ({ config }) => {
    const { icl_examples: _, icl_items: __, ...limits } = config.rounds.gates;
    return { ...limits, open: config.prompts.answer_open };
  },
  async run({ store, config, input }) {
    const factsOf = async (name: 'training' | 'gain'): Promise<JsonObject | undefined> => {
      const key = input.extra?.[name];
      if (typeof key !== 'string') return undefined;
      const manifest = await finishedStage(store, key);
      if (manifest) return manifest.facts;
      throw new ArteError('BlobMissing', {
        what: `What the gates look at is gone from the store: the stage ${key.slice(0, 12)}.`,
        why: 'It was there when the round came this far; something removed it.',
        next: 'arte retry RUN makes it again.',
      });
    };
    const tasks = await readRows(store, inputRef(input, 'tasks'), taskRecordSchema);
    const tailored = await readRows(store, inputRef(input, 'tailored'), tailoredRowSchema);
    const before = await readRows(store, inputRef(input, 'before'), tailoredRowSchema);
    const metrics = (await factsOf('training'))?.['metrics'] as Readonly<Record<string, number>> | undefined;
    const sample = (await factsOf('gain')) as unknown as SampleFacts | undefined;
    const evidence: RoundEvidenceOfGates = {
      tailored: tailoredEvidence(tailored, before, tasks, { open: config.prompts.answer_open }),
      rewardMargin: metrics?.['rewards_margins_late'] ?? null,
      rewardAccuracy: metrics?.['rewards_accuracies_late'] ?? null,
      iclGain: sample?.gain ?? null,
    };
    const verdicts = judgeGates(evidence, config.rounds.gates);
    const failed = verdicts.filter(({ verdict }) => verdict === 'failed');
    const sentences = failed.map((verdict) => describeFailure(verdict, evidence));
    if (failed.length > 0 && config.rounds.gates.action === 'park') {
      const names = failed.map(({ gate }) => `rounds.gates.${gate}`).join(', ');
      throw new ArteError('GateFailed', {
        what: `What the aligned teacher wrote fails ${failed.length === 1 ? 'a gate' : `${failed.length} gates`}: ${sentences.join(' ')}`,
        why: 'A student trained on it would learn that, and the money of its training would be lost.',
        next: `Look at the examples below; align more gently (align.learning_rate, align.beta) or change ${names} (null: off; rounds.gates.action: record or roll-back goes on), and go on with the change: arte retry RUN, or the config under another id. Finished stages are reused.`,
        details: tailored
          .slice(0, examplesShownMax)
          .map(({ question, rationale }) => shortened(`${question} -> ${rationale}`)),
      });
    }
    return {
      outputs: {},
      facts: {
        action: config.rounds.gates.action,
        failed: failed.map(({ gate }) => gate),
        sentences,
        verdicts: verdicts.map((verdict) => ({ ...verdict })),
        evidence: evidence as unknown as JsonObject,
      },
    };
  },
};

function shortened(text: string): string {
  const line = text.replace(/\s+/g, ' ');
  return line.length > exampleCharactersMax ? `${line.slice(0, exampleCharactersMax)}…` : line;
}
