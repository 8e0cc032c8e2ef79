/**
 * Who may ask the page's server for what. Owns the token of one start, and what is refused before anything is looked at.
 *
 * Invariants
 * 1. Nothing but the empty page, its script and its style sheet is given to a caller without the token; they hold no data.
 * 2. The token is never sent by the browser on its own: it stands in the fragment of the printed address, and the page's script hands it over in a
 *    header. A cookie would go to every server on this machine, whatever its port; the one there is (reports) opens reports and nothing else.
 * 3. A request that names another host than this server's, or a write that comes from another page, is refused whatever it carries.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { hostname, networkInterfaces } from 'node:os';

const httpPort = 80;
/** Bytes of a token: more than anybody can try. */
const tokenBytes = 32;

export interface Guard {
  /** For the address that is printed. */
  readonly token: string;
  /** The cookie that opens reports in windows of their own. */
  readonly reportCookie: string;
  /** The host that is named is this server: a name that an attacker made point here is not (DNS rebinding). */
  isOurHost(headers: IncomingHttpHeaders): boolean;
  /** A page of this server sent it. A browser always says where a write comes from. */
  isFromOurPage(headers: IncomingHttpHeaders): boolean;
  hasToken(headers: IncomingHttpHeaders): boolean;
  mayReadReports(headers: IncomingHttpHeaders): boolean;
}

/** A guard for a server that listens on `address` and `port`. A new token each time. */
export function createGuard(address: string, port: number): Guard {
  const token = randomBytes(tokenBytes).toString('base64url');
  const secret = randomBytes(tokenBytes).toString('base64url');
  // Cookies know no ports: two of these servers on one machine would take each other's.
  const cookieName = `arte-reports-${port}`;
  const names = namesOf(address);
  // Browsers leave out the port that http has by itself, in the host and in the origin alike.
  const hosts = new Set([...names.map((name) => `${name}:${port}`), ...(port === httpPort ? names : [])]);
  const hasToken = ({ authorization }: IncomingHttpHeaders): boolean => isSame(authorization, `Bearer ${token}`);
  return {
    token,
    reportCookie: `${cookieName}=${secret}; HttpOnly; SameSite=Strict; Path=/report/`,
    isOurHost: ({ host }) => host !== undefined && hosts.has(host.toLowerCase()),
    isFromOurPage: ({ origin, host = '', 'sec-fetch-site': site }) =>
      origin === `http://${host}` && (site === undefined || site === 'same-origin'),
    hasToken,
    mayReadReports(headers) {
      const cookies = (headers.cookie ?? '').split(';').map((each) => each.trim());
      const given = cookies.find((each) => each.startsWith(`${cookieName}=`));
      return hasToken(headers) || isSame(given, `${cookieName}=${secret}`);
    },
  };
}

/** In a time that does not tell how much of it is right: of the hashes, which are of one length. */
function isSame(given: string | undefined, wanted: string): boolean {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(given ?? ''), hash(wanted));
}

/** The names under which a server that listens there may be called. */
function namesOf(address: string): string[] {
  const loopback = ['127.0.0.1', 'localhost', '[::1]'];
  const written = (each: string): string => (each.includes(':') ? `[${each}]` : each).toLowerCase();
  if (address !== '0.0.0.0' && address !== '::') return [...loopback, written(address)];
  const here = Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map((one) => written(one.address)));
  return [...loopback, ...here, hostname().toLowerCase()];
}
