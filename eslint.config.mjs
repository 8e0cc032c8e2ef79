/**
 * The house rules that a machine can check: types are used right, promises are awaited, and no import goes up a floor.
 * Owns the map of rooms as import boundaries (ARCHITECTURE.md draws it; test/rooms.test.ts checks the rest). Layout is prettier's.
 */
import { createNodeResolver, importX } from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

/** From the ground floor up: a room may import from those before it, unless `boundaries` says less. */
const rooms = ['schemas', 'method', 'drivers', 'activities', 'workflows', 'workers', 'cli'];

/** What each room must not import, and the reason that is printed. */
const boundaries = [
  {
    target: 'schemas',
    from: rooms.slice(1),
    message: 'schemas/ holds words that cross boundaries; it imports nothing of ours.',
  },
  {
    target: 'method',
    from: rooms.slice(2),
    message: 'method/ is pure: values in, values out. It imports schemas/ only.',
  },
  {
    target: 'drivers',
    from: ['method', 'activities', 'workflows', 'workers', 'cli'],
    message: 'drivers/ knows the outside world, not the method. It imports schemas/ only.',
  },
  {
    target: 'activities',
    from: ['workflows', 'workers', 'cli'],
    message: 'activities/ knows refs and stages, not who calls it.',
  },
  {
    target: 'activities',
    from: ['drivers'],
    except: ['./store/store.ts', './model/model.ts', './trainer/trainer.ts'],
    message: 'activities/ gets its drivers handed in; it imports their interfaces only.',
  },
  {
    target: 'workflows',
    from: ['drivers', 'workers', 'cli'],
    message: 'workflows/ orchestrates; it does no I/O and starts nothing.',
  },
  {
    target: 'workers',
    from: ['cli'],
    message: 'workers/ are process entry points; the command line starts them, not the other way round.',
  },
  {
    target: 'cli',
    from: ['activities'],
    message: 'cli/ talks to workflows as a client; what an activity needs goes through method/ or schemas/.',
  },
  {
    target: 'cli',
    from: ['workflows'],
    except: ['./messages.ts'],
    message: 'cli/ uses the messages of the workflows, not their code.',
  },
];

const zones = boundaries.flatMap(({ target, from, except, message }) =>
  from.map((room) => ({
    target: `./${target}`,
    from: `./${room}`,
    ...(except === undefined ? {} : { except }),
    message,
  })),
);

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', '.arte/', 'coverage/', 'reports/', 'test/fixtures/**/*.{js,mjs,cjs}'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { 'import-x': importX },
    settings: { 'import-x/resolver-next': [createNodeResolver({ extensions: ['.ts', '.js', '.json'] })] },
    rules: {
      'import-x/no-restricted-paths': ['error', { basePath: import.meta.dirname, zones }],
      'import-x/no-duplicates': 'error',
      'import-x/no-self-import': 'error',
      'import-x/no-cycle': ['error', { ignoreExternal: true }],
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': [
        'error',
        { fixStyle: 'separate-type-imports', disallowTypeAnnotations: false },
      ],
      '@typescript-eslint/no-unused-vars': [
        'error',
        {
          args: 'all',
          argsIgnorePattern: '^_',
          varsIgnorePattern: '^_',
          destructuredArrayIgnorePattern: '^_',
          caughtErrors: 'all',
          caughtErrorsIgnorePattern: '^_',
        },
      ],
      // A number in a text is what it looks like; an object is not.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      eqeqeq: 'error',
      'no-console': 'error',
      'no-param-reassign': 'error',
    },
  },
  {
    // Workflow code runs in a sandbox that replays it: values come only from files that are free of zod and of I/O.
    files: ['workflows/**/*.ts'],
    rules: {
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              regex: '/activities/',
              allowTypeImports: true,
              message: 'workflows/ imports types of activities; it calls them through proxyActivities.',
            },
            {
              regex: '/schemas/(?!errors$|limits$|stage-names$|messages$|json$)',
              allowTypeImports: true,
              message: 'Only zod-free schemas may be imported by value in workflow code.',
            },
            { regex: '^(node:|zod$)', message: 'Workflow code is deterministic: no Node API, no zod at run time.' },
          ],
        },
      ],
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // Tests reach into shapes that production code would check first.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/require-await': 'off',
      'no-console': 'off',
    },
  },
);
