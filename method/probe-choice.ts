/**
 * Which validation items become the preference set: the most discriminating, in the shares that their right answers have among all of them.
 *
 * By discrimination alone a few respondents choose a lopsided set: what tells a model with three shots from the same model with none may be that it
 * says "yes" more often, and the items that tell it are those whose right answer is yes. The draft that makes the student say yes then scores best, and
 * the teacher is taught to write such drafts.
 */
import { selectByDiscrimination, type IrtFit } from './irt';

/**
 * Places of the items chosen, the most discriminating first.
 * @param size How many; all where there are no more.
 * @param answers Right answers by item, in one form. Each that so many items share that a place falls to it gets its share of the places, to the next whole
 *   number by the largest remainder; all other answers share theirs. Undefined: by discrimination alone.
 */
export function chooseProbes(
  fit: Pick<IrtFit, 'discrimination' | 'varies'>,
  size: number,
  answers?: readonly string[],
): number[] {
  const count = fit.discrimination.length;
  const ranked = selectByDiscrimination(fit, count);
  if (answers === undefined || size >= count) return ranked.slice(0, size);
  const classes = classesOf(answers, size);
  const left = placesOf(classes, size);
  const classOf = (item: number): string | undefined => (left.has(answers[item]) ? answers[item] : undefined);
  return ranked.filter((item) => {
    const places = left.get(classOf(item)) ?? 0;
    if (places === 0) return false;
    left.set(classOf(item), places - 1);
    return true;
  });
}

/** Share of the items whose right answer is the commonest one. Undefined without items. */
export function commonestShare(answers: readonly string[]): number | undefined {
  return answers.length === 0 ? undefined : Math.max(...counted(answers).values()) / answers.length;
}

/** How many items each right answer has; undefined stands for all those of which none would get a place. */
type Classes = ReadonlyMap<string | undefined, number>;

function classesOf(answers: readonly string[], size: number): Classes {
  const classes = new Map<string | undefined, number>();
  for (const [answer, count] of counted(answers)) {
    const own = count * size >= answers.length ? answer : undefined;
    classes.set(own, (classes.get(own) ?? 0) + count);
  }
  return classes;
}

function counted(answers: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const answer of answers) counts.set(answer, (counts.get(answer) ?? 0) + 1);
  return counts;
}

/** Places by class, by the largest remainder; of equal remainders the class that comes first. */
function placesOf(classes: Classes, size: number): Map<string | undefined, number> {
  const total = [...classes.values()].reduce((sum, count) => sum + count, 0);
  const shares = [...classes].map(([answer, count]) => {
    const share = (count * size) / total;
    return { answer, places: Math.floor(share), remainder: share - Math.floor(share) };
  });
  const missing = size - shares.reduce((sum, { places }) => sum + places, 0);
  const rounded = new Set([...shares].sort((one, other) => other.remainder - one.remainder).slice(0, missing));
  return new Map(shares.map((share) => [share.answer, share.places + Number(rounded.has(share))]));
}
