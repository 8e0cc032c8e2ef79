/** What a call that must be refused says: the data of the ArteError that it throws. */
import { ArteError } from '../../schemas/errors';

export function refusal(read: () => unknown): ArteError['data'] {
  try {
    read();
  } catch (error) {
    if (error instanceof ArteError) return error.data;
    throw error;
  }
  throw new Error('was not refused');
}
