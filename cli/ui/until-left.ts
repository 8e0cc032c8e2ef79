/**
 * Until a person leaves the page's server: by Ctrl-C, by SIGTERM, or by closing its terminal (SIGHUP). What it has made is put away first.
 */
export interface Leaving {
  /** Settled by the first signal. */
  readonly left: Promise<void>;
  /**
   * Everything is put away: signals do what they do by default again. After SIGHUP this ends the process, as one that was hung up: Node would give the
   * terminal its settings back at a usual end, and aborts where there is none any more.
   */
  end(): void;
}

export function untilLeft(): Leaving {
  let isHungUp = false;
  let resolveLeft: () => void = () => undefined;
  const left = new Promise<void>((resolve) => (resolveLeft = resolve));
  const onSignal = (signal: NodeJS.Signals): void => {
    isHungUp ||= signal === 'SIGHUP';
    resolveLeft();
  };
  // A second Ctrl-C does what it does by default; SIGHUP is held off to the end: a shell hands it on to its children after the terminal has sent it.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, onSignal);
  process.on('SIGHUP', onSignal);
  return {
    left,
    end() {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.removeListener(signal, onSignal);
      if (isHungUp) process.kill(process.pid, 'SIGHUP');
    },
  };
}
