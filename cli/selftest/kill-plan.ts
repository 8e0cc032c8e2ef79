/**
 * Who is killed when: drawn from a seed and from what an undisturbed run showed of its processes. Pure.
 *
 * Every part that was seen is killed once before any is killed twice. A part that is always there dies at a moment drawn from the whole run; one
 * that comes and goes (a model server, a trainer) at a moment drawn from the time it was there, or, when it is not there then, so long after it
 * next comes. Moments are of the clock of the undisturbed run. The other one may be ahead of it all the same (models that the first one had to make
 * ready are there): a kill is due, too, when more stages have ended than had at its moment.
 */
import { seededRandom, shuffled } from '../../method/keys';
import type { Part } from './parts';

/** When processes of a part were alive, in seconds since the run began. */
export type Presence = ReadonlyMap<Part, readonly { readonly from: number; readonly to: number }[]>;

/** When each stage was first seen to have ended, in seconds since the run began, in order. */
export type StageEnds = readonly number[];

export interface PlannedKill {
  readonly part: Part;
  /** Not before this second of the run, or… */
  readonly atSeconds: number;
  /** …more stages than this have ended. */
  readonly stagesEnded: number;
  /** Where the part has to be waited for: so long after it has come. */
  readonly afterSeconds: number;
}

/** Of the undisturbed run: what comes later finds nothing left to disturb. */
const lastShare = 0.9;

/** The kills in the order of their moments. */
export function planKills(
  {
    presence,
    seconds,
    stageEnds,
  }: { readonly presence: Presence; readonly seconds: number; readonly stageEnds: StageEnds },
  kills: number,
  seed: number,
): PlannedKill[] {
  const random = seededRandom(seed);
  const parts = [...presence.keys()].sort();
  const planned: PlannedKill[] = [];
  for (let turn = 0; planned.length < kills && parts.length > 0; turn += 1) {
    for (const part of shuffled(parts, seed + turn).slice(0, kills - planned.length)) {
      const times = presence.get(part) ?? [];
      const { from, to } = times[Math.floor(random() * times.length)] ?? { from: 0, to: seconds };
      const alive = Math.max(0, to - from);
      const atSeconds = Math.min(from + alive * random(), seconds * lastShare);
      planned.push({
        part,
        atSeconds,
        stagesEnded: stageEnds.filter((end) => end <= atSeconds).length,
        afterSeconds: alive < seconds / 2 ? alive * random() * lastShare : 0,
      });
    }
  }
  return planned.sort((one, other) => one.atSeconds - other.atSeconds);
}
