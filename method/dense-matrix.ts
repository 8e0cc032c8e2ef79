/**
 * Small dense matrices, square and row-major in one Float64Array, and vectors: of the three to four rows that the fit of
 * answer-model.ts needs, a hundred thousand times a race.
 */

/** Ones on the diagonal. */
export function identity(size: number): Float64Array {
  const matrix = new Float64Array(size * size);
  for (let at = 0; at < size; at += 1) matrix[at * size + at] = 1;
  return matrix;
}

/** Add to a vector, in place. */
export function add(sum: Float64Array, other: Float64Array): void {
  for (let at = 0; at < sum.length; at += 1) (sum[at] as number) += other[at] as number;
}

/** Inner product of two vectors of one length. */
export function dot(one: Float64Array, other: Float64Array): number {
  let sum = 0;
  for (let at = 0; at < one.length; at += 1) sum += (one[at] as number) * (other[at] as number);
  return sum;
}

/** Matrix times vector. */
export function times(matrix: Float64Array, vector: Float64Array): Float64Array {
  const size = vector.length;
  return Float64Array.from({ length: size }, (_, row) => dot(matrix.subarray(row * size, (row + 1) * size), vector));
}

/** Inverse of a positive definite matrix by Gauss and Jordan; every use here has a ridge on its diagonal. */
export function inverse(matrix: Float64Array, size: number): Float64Array {
  const left = matrix.slice();
  const result = identity(size);
  for (let pivot = 0; pivot < size; pivot += 1) {
    const scale = left[pivot * size + pivot] as number;
    for (let column = 0; column < size; column += 1) {
      (left[pivot * size + column] as number) /= scale;
      (result[pivot * size + column] as number) /= scale;
    }
    for (let row = 0; row < size; row += 1) {
      const factor = left[row * size + pivot] as number;
      if (row === pivot || factor === 0) continue;
      for (let column = 0; column < size; column += 1) {
        (left[row * size + column] as number) -= factor * (left[pivot * size + column] as number);
        (result[row * size + column] as number) -= factor * (result[pivot * size + column] as number);
      }
    }
  }
  return result;
}
