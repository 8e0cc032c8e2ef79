/**
 * TCP ports on 127.0.0.1 for the servers of this machine.
 *
 * Owns: which numbers are taken, and whether one is free. A port is chosen once and kept (platform-state.ts), so that a
 * server that is started again is found where it was; therefore the numbers lie below the range from which systems take
 * ports for outgoing connections (Linux 32768, macOS 49152), or a restart would now and then find its port in use.
 */
import { createServer } from 'node:net';
import { ArteError } from '../../schemas/errors';

/** SeaweedFS opens a second port this far above each of its own, for gRPC. */
export const grpcPortOffset = 10_000;
/** First and one past the last number that is given out; with the offset they stay below 32768. */
const range = [20_000, 22_700] as const;
/** So many draws without a free number mean that something is wrong with the machine. */
const drawsMax = 2_000;

/** Whether a server could listen there now. */
export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** So many different free ports, drawn at random, none of `except`, each with the one `grpcPortOffset` above it free, too. Errors: PortTaken. */
export async function freePorts(count: number, except: readonly number[] = []): Promise<number[]> {
  const found: number[] = [];
  for (let draw = 0; draw < drawsMax; draw += 1) {
    if (found.length === count) {
      return found;
    }
    const port = range[0] + Math.floor(Math.random() * (range[1] - range[0]));
    if (
      !found.includes(port) &&
      !except.includes(port) &&
      (await isPortFree(port)) &&
      (await isPortFree(port + grpcPortOffset))
    ) {
      found.push(port);
    }
  }
  throw new ArteError('PortTaken', {
    what: `No free port was found between ${String(range[0])} and ${String(range[1])}.`,
    why: 'All that were tried are in use by other programs.',
    next: 'End some of them, or give ports with `arte up --temporal-port` and `--s3-port`.',
  });
}

/** Errors: PortTaken, naming the port and what wanted it. */
export async function claimPort(port: number, what: string): Promise<void> {
  if (!(await isPortFree(port))) {
    throw portTaken(port, what);
  }
}

export function portTaken(port: number, what: string): ArteError {
  return new ArteError('PortTaken', {
    what: `Port ${String(port)} on 127.0.0.1, wanted by ${what}, is in use.`,
    why: 'Another program listens there.',
    next: `Find it with \`ss -ltnp 'sport = :${String(port)}'\` (macOS: \`lsof -iTCP:${String(port)} -sTCP:LISTEN\`) and end it, or choose another port; without one arte takes a free one.`,
  });
}
