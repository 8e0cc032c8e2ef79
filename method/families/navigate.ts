/**
 * Whether a walk ends where it began. Answer: yes-no, as in BIG-Bench-Hard's navigate.
 * A "Yes" walk is a free walk and the way back; a "No" walk is a "Yes" walk with one number changed, so that length, wording and
 * shape give nothing away.
 */
import { defineFamily, digits, fourTechniques, pick, product, randomBelow, wordingOf } from './family';
import type { Stratum } from './family';

const stepsMax = 9;
const freeMoves = [2, 3, 4] as const;
const movesPerStep = 4 * stepsMax;

interface Place {
  readonly x: number;
  readonly y: number;
}

/** Facing forward is y + 1, right is x + 1. Turning right adds one. */
const headings: readonly Place[] = [
  { x: 0, y: 1 },
  { x: 1, y: 0 },
  { x: 0, y: -1 },
  { x: -1, y: 0 },
];
const directionNames = ['forward', 'right', 'backward', 'left'] as const;
const turnNames = ['', 'Turn right. ', 'Turn around. ', 'Turn left. '] as const;

/** A move: steps taken to one of four sides (side walk) or after one of four turns (turning walk). */
interface Move {
  readonly turn: number;
  readonly steps: number;
}

function endOf(moves: readonly Move[], turning: boolean): Place & { readonly heading: number } {
  let x = 0;
  let y = 0;
  let heading = 0;
  for (const { turn, steps } of moves) {
    heading = turning ? (heading + turn) % 4 : turn;
    const ahead = headings[heading] as Place;
    x += ahead.x * steps;
    y += ahead.y * steps;
  }
  return { x, y, heading };
}

/** The moves that lead from the end of a walk back to its beginning: none, one or two. */
function wayBack(moves: readonly Move[], turning: boolean): Move[] {
  const back: Move[] = [];
  const { x, y, heading: last } = endOf(moves, turning);
  let heading = last;
  const go = (wanted: number, steps: number): void => {
    back.push({ turn: turning ? (wanted - heading + 4) % 4 : wanted, steps });
    heading = wanted;
  };
  if (x !== 0) go(x > 0 ? 3 : 1, Math.abs(x));
  if (y !== 0) go(y > 0 ? 2 : 0, Math.abs(y));
  return back;
}

function freeWalk(index: number): Move[] {
  let rest = index;
  for (const count of freeMoves) {
    const radixes = Array.from({ length: count }, () => movesPerStep);
    if (rest < product(radixes)) {
      return digits(rest, radixes).map((digit) => ({ turn: digit % 4, steps: 1 + Math.floor(digit / 4) }));
    }
    rest -= product(radixes);
  }
  throw new RangeError(`no walk has the number ${index}`);
}

const walks = freeMoves.reduce((sum, count) => sum + movesPerStep ** count, 0);

function changedOnce(moves: readonly Move[], random: () => number): Move[] {
  const place = randomBelow(random, moves.length);
  return moves.map((move, at) => {
    if (at !== place) return move;
    const by = 1 + randomBelow(random, 3);
    return { ...move, steps: move.steps > by && randomBelow(random, 2) === 0 ? move.steps - by : move.steps + by };
  });
}

const asks = [
  'If you follow these instructions, do you return to the starting point?',
  'Do these instructions lead you back to the starting point?',
] as const;

function told(moves: readonly Move[], turning: boolean): string {
  const sentences = moves.map(({ turn, steps }) => {
    const count = `${steps} step${steps === 1 ? '' : 's'}`;
    return turning ? `${turnNames[turn] ?? ''}Take ${count}.` : `Take ${count} ${directionNames[turn] ?? ''}.`;
  });
  return (turning ? '' : 'Always face forward. ') + sentences.join(' ');
}

function stratum(returns: boolean, turning: boolean): Stratum {
  return {
    size: walks,
    at(index) {
      const random = wordingOf(index);
      const free = freeWalk(index);
      const whole = [...free, ...wayBack(free, turning)];
      // A side walk may begin anywhere in its round; a turning walk may not, because headings carry over.
      const start = turning ? 0 : randomBelow(random, whole.length);
      const round = [...whole.slice(start), ...whole.slice(0, start)];
      const moves = returns ? round : changedOnce(round, random);
      const end = endOf(moves, turning);
      return {
        question: `${pick(asks, random)} ${told(moves, turning)}\nOptions:\n- Yes\n- No`,
        target: returns ? 'Yes' : 'No',
        rationale: returns
          ? 'Steps forward and backward cancel out, and so do steps left and right. It ends at the start.'
          : `It ends ${distance(end)} of the start, not at it.`,
      };
    },
  };
}

function distance({ x, y }: Place): string {
  const parts: string[] = [];
  if (y !== 0) parts.push(`${Math.abs(y)} ${y > 0 ? 'ahead' : 'behind'}`);
  if (x !== 0) parts.push(`${Math.abs(x)} to the ${x > 0 ? 'right' : 'left'}`);
  return parts.join(' and ');
}

export const navigate = defineFamily({
  name: 'navigate',
  category: 'reasoning',
  description: 'Say whether following the instructions leads back to the starting point.',
  answer: { type: 'yes-no', labels: ['Yes', 'No'] },
  strata: [stratum(true, false), stratum(false, false), stratum(true, true), stratum(false, true)],
  // One walk can be told by several numbers (another free part, another start of the round).
  distinct: 1_000_000,
  techniques: fourTechniques({
    question:
      'If you follow these instructions, do you return to the starting point? Always face forward. Take 12 steps left. Take 12 steps right.\nOptions:\n- Yes\n- No',
    answer: 'Yes',
    expert: 'a navigator who plots every move on a chart',
    asExpert:
      'As a navigator I plot the moves on my chart: 12 to the west, then 12 to the east, so the ship is in port again.',
    byRule: 'Rule: left cancels right, and forward cancels backward. 12 left minus 12 right is 0, so it is back.',
    stepByStep: '-12 + 12 = 0, so it is back at the start.',
    byElimination: 'No would need some steps left over. 12 left and 12 right leave none, so only Yes remains.',
  }),
});
