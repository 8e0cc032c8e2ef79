/** The project's own Python environment with its test tools, made with progress where it is not there (needs `npm run build`). */
import { ensurePythonEnv } from '../dist/drivers/local/python-env.js';

/** Where it is: {root, python}. */
export async function pythonEnvironment() {
  let said = '';
  return ensurePythonEnv({
    dev: true,
    onProgress: ({ done, total, what }) => {
      const text = `python environment, ${Math.min(done + 1, total)} of ${total}: ${what}`;
      if (text !== said) console.error(text);
      said = text;
    },
  });
}
