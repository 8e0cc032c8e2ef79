/**
 * The script of the page that `arte ui` serves: keeps what is shown as new as the server's last look, and sends orders. Owns the token in the
 * browser, the polling, and how a new picture takes the place of an old one without moving focus, marks or what is typed. What is shown is made
 * by the server (cli/ui/), as HTML in which everything foreign is escaped; the page's policy runs no script but this one.
 */

/** Between two questions: the server looks no oftener. */
const pollMs = 2_000;
/** A picture older than this is said to be old: three looks have failed or hang. */
const staleMs = 10_000;
const tokenKey = 'arte-ui-token';

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no ${id}`);
  return found;
}

const main = byId('main');
const said = byId('said');
const problem = byId('problem');
const answer = byId('answer');
const live = byId('live');
const dialog = /** @type {HTMLDialogElement} */ (byId('dialog'));
const form = /** @type {HTMLFormElement} */ (byId('dialog-form'));
const hold = byId('hold');

let etag = '';
let shownRoute = '';
let seenAt = 0;
let isHeld = false;
let asking = new AbortController();
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

// ---- the token ---------------------------------------------------------------------------------------------------

/** From the address that was opened, out of sight at once; kept for this origin, which is this server's until it ends. */
function takeToken() {
  const given = /^#token=([\w-]+)$/.exec(location.hash)?.[1];
  if (given === undefined) return;
  localStorage.setItem(tokenKey, given);
  history.replaceState(null, '', '#/');
}

/**
 * @param {string} path
 * @param {RequestInit} [options]
 */
function ask(path, { headers, ...options } = {}) {
  const authorization = `Bearer ${localStorage.getItem(tokenKey) ?? ''}`;
  return fetch(path, { ...options, headers: { authorization, ...headers } });
}

function sayLocked() {
  clearTimeout(timer);
  sayLive('no', 'locked');
  main.removeAttribute('aria-busy');
  main.innerHTML =
    '<h1 tabindex="-1">Locked</h1><section><p>Open the address that <code>arte ui</code> has printed: it holds the token of this start. A token ends with the command that printed it.</p></section>';
}

// ---- what is shown -----------------------------------------------------------------------------------------------

/** The address after the #: /, /runs/ID, /runs/ID/rows/ROW?round=N, /beside/A,B. */
function route() {
  const hash = location.hash.replace(/^#/, '');
  return hash.startsWith('/') ? hash : '/';
}

/** Ask for what the address names, and again after a while. */
async function update() {
  clearTimeout(timer);
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  const wanted = route();
  const isNew = wanted !== shownRoute;
  try {
    const headers = isNew ? undefined : { 'if-none-match': etag };
    const response = await ask(`/view${wanted === '/' ? '' : wanted}`, { signal, headers });
    if (response.status === 401) return sayLocked();
    if (response.status !== 304) {
      const body = await response.json();
      if (signal.aborted) return;
      show(body, wanted, isNew);
      etag = response.ok ? (response.headers.get('etag') ?? '') : '';
    }
    sayAge();
  } catch (error) {
    if (signal.aborted) return;
    sayLive('no', `arte ui does not answer${seenAt > 0 ? `; this is how it was at ${clockOf(seenAt)}` : ''}`);
  }
  // A row does not change.
  if (!signal.aborted && !isHeld && !document.hidden && !wanted.includes('/rows/'))
    timer = setTimeout(() => void update(), pollMs);
}

/**
 * @param {{ title?: string, html: string, said?: string, at?: number, problem?: string }} page
 * @param {string} wanted
 * @param {boolean} isNew
 */
function show(page, wanted, isNew) {
  const next = parsed(
    page.title === undefined ? `<h1 tabindex="-1">That did not work</h1><section>${page.html}</section>` : page.html,
  );
  for (const each of next.querySelectorAll('time')) {
    const here = new Date(each.dateTime).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'long' });
    each.title = `here: ${here}`;
  }
  if (isNew) main.replaceChildren(...next.childNodes);
  else morph(main, next);
  document.title = page.title ?? 'arte';
  main.removeAttribute('aria-busy');
  seenAt = page.at ?? Date.now();
  put(problem, page.problem ?? '');
  if (said.textContent !== (page.said ?? '')) said.textContent = page.said ?? '';
  if (isNew) {
    if (shownRoute !== '') {
      answer.replaceChildren();
      main.querySelector('h1')?.focus();
      scrollTo(0, 0);
    }
    shownRoute = wanted;
  }
}

/** @param {string} html */
function parsed(html) {
  return new DOMParser().parseFromString(`<!doctype html><body>${html}</body>`, 'text/html').body;
}

/**
 * Only when it is another text: an alert is read out again with every change.
 * @param {HTMLElement} place
 * @param {string} html
 */
function put(place, html) {
  if (place.dataset.html === html) return;
  place.dataset.html = html;
  place.replaceChildren(...parsed(html).childNodes);
}

/**
 * As every time of the page, of the report and of the command line: UTC.
 * @param {number} ms
 */
function clockOf(ms) {
  return `${new Date(ms).toISOString().slice(11, 19)} UTC`;
}

function sayAge() {
  const age = Date.now() - seenAt;
  const at = clockOf(seenAt);
  if (isHeld) sayLive('no', `held still, as of ${at}`);
  else if (age > staleMs) sayLive('no', `as of ${at}: no newer look has succeeded`);
  else sayLive('yes', `live, as of ${at}`);
}

/**
 * @param {'yes' | 'no'} how
 * @param {string} words
 */
function sayLive(how, words) {
  live.dataset.live = how;
  byId('live-words').textContent = words;
}

/**
 * Make `old` like `next` with as few changes as will do: what is focused, marked, opened or typed stays. Elements with a key are found again by it,
 * others by their place. What stays in its order is never taken out and put in again: that would take the focus from it.
 * @param {Element} old
 * @param {Element} next
 */
function morph(old, next) {
  const wantedKeys = new Set([...next.children].map(keyOf));
  /** @type {Map<string, Element>} */
  const kept = new Map();
  for (const child of [...old.children]) {
    const key = keyOf(child);
    if (key !== undefined && wantedKeys.has(key)) kept.set(key, child);
    else if (key !== undefined) child.remove();
  }
  const isKept = (/** @type {ChildNode | null} */ node) => node instanceof Element && keyOf(node) !== undefined;
  let place = old.firstChild;
  for (const wanted of [...next.childNodes]) {
    const key = wanted instanceof Element ? keyOf(wanted) : undefined;
    const found = key === undefined ? (isKept(place) ? null : place) : (kept.get(key) ?? null);
    if (found === null || found.nodeName !== wanted.nodeName) {
      old.insertBefore(wanted, place);
      continue;
    }
    // What has no key and stands before it is of the old picture alone.
    while (place !== null && place !== found && !isKept(place)) {
      const after = place.nextSibling;
      place.remove();
      place = after;
    }
    if (found === place) place = place.nextSibling;
    else old.insertBefore(found, place);
    if (!(found instanceof Element) || !(wanted instanceof Element)) {
      if (found.nodeValue !== wanted.nodeValue) found.nodeValue = wanted.nodeValue;
    } else if (wanted.getAttribute('data-keep') === null) {
      sameAttributes(found, wanted);
      morph(found, wanted);
    }
  }
  while (place !== null) {
    const after = place.nextSibling;
    place.remove();
    place = after;
  }
}

/**
 * @param {Element} element
 * @returns {string | undefined}
 */
function keyOf(element) {
  const key = element.getAttribute('data-key') ?? element.getAttribute('data-keep') ?? element.id;
  return key === '' ? undefined : `${element.nodeName} ${key}`;
}

/**
 * @param {Element} old
 * @param {Element} next
 */
function sameAttributes(old, next) {
  const isUsers = (/** @type {string} */ name) => name === 'open' && old.nodeName === 'DETAILS';
  for (const { name } of [...old.attributes]) if (!next.hasAttribute(name) && !isUsers(name)) old.removeAttribute(name);
  for (const { name, value } of [...next.attributes])
    if (old.getAttribute(name) !== value && !isUsers(name)) old.setAttribute(name, value);
}

// ---- orders ------------------------------------------------------------------------------------------------------

/**
 * @param {string} order
 * @param {string} runId
 * @param {string} [round] of a verdict: the one that was asked about when the form was opened
 */
function openOrder(order, runId, round) {
  const template = /** @type {HTMLTemplateElement} */ (byId(`form-${order}`));
  form.replaceChildren(template.content.cloneNode(true));
  form.dataset.order = order;
  form.dataset.run = runId;
  form.dataset.round = round ?? '';
  const about = round === undefined ? runId : `round ${round} of ${runId}`;
  for (const place of form.querySelectorAll('[data-run-name]')) place.textContent = about;
  dialog.showModal();
}

/** What the form says, as the server takes it (cli/ui/orders.ts). */
function orderOf() {
  /** @type {Record<string, unknown>} */
  const order = { order: form.dataset.order };
  if (form.dataset.round) order.round = Number(form.dataset.round);
  for (const [name, value] of new FormData(form)) {
    const text = String(value).trim();
    if (text === '') continue;
    if (name === 'set') order[name] = text.split('\n');
    else order[name] = form.querySelector(`[type="checkbox"][name="${name}"]`) === null ? text : true;
  }
  return order;
}

async function sendOrder() {
  const place = /** @type {HTMLElement} */ (form.querySelector('[data-answer]'));
  const send = /** @type {HTMLButtonElement} */ (form.querySelector('[type="submit"]'));
  const order = orderOf();
  // Somebody may have closed the form before the answer, and opened another one: what comes is then said above the page.
  const isOpen = () => dialog.open && place.isConnected;
  /** @param {(Node | string)[]} words */
  const refuse = (...words) => {
    if (!isOpen()) return answer.replaceChildren(...words);
    place.classList.add('refused');
    place.setAttribute('role', 'alert');
    place.replaceChildren(...words);
  };
  place.classList.remove('refused');
  place.setAttribute('role', 'status');
  place.textContent = 'Sent; waiting for the answer.';
  send.disabled = true;
  try {
    const response = await ask(`/orders/${encodeURIComponent(form.dataset.run ?? '')}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(order),
    });
    if (response.status === 401) {
      if (isOpen()) dialog.close();
      return sayLocked();
    }
    const isData = (response.headers.get('content-type') ?? '').startsWith('application/json');
    const body = isData ? await response.json() : { html: '', error: { what: await response.text() } };
    if (response.ok) {
      const lines = /** @type {string[]} */ (body.said).map((line) => {
        const shown = document.createElement('p');
        shown.textContent = line;
        return shown;
      });
      if (order.dryRun === true && isOpen()) place.replaceChildren(...lines);
      else {
        answer.replaceChildren(...lines);
        if (isOpen()) dialog.close();
      }
    } else if (body.html) refuse(...parsed(body.html).childNodes);
    else refuse(body.error.what);
  } catch {
    refuse('arte ui does not answer. Whether the order was taken is seen when it does; arte status RUN says so too.');
  } finally {
    send.disabled = false;
  }
  void update();
}

// ---- what the person does ----------------------------------------------------------------------------------------

document.addEventListener('click', (event) => {
  const target = event.target instanceof Element ? event.target : undefined;
  const button = /** @type {HTMLElement | null | undefined} */ (target?.closest('[data-order]'));
  if (button && button !== form) openOrder(button.dataset.order ?? '', button.dataset.run ?? '', button.dataset.round);
  else if (target?.closest('[data-close]')) dialog.close();
  else if (target?.closest('[data-skip]')) {
    // The address names the page that is shown, so that the link cannot name a place in it.
    event.preventDefault();
    main.focus();
  }
});

document.addEventListener('submit', (event) => {
  event.preventDefault();
  const sent = /** @type {HTMLFormElement} */ (event.target);
  const data = new FormData(sent);
  if (sent === form) void sendOrder();
  else if (sent.dataset.form === 'side-by-side') {
    const runs = data.getAll('run').map((each) => encodeURIComponent(String(each)));
    if (runs.length > 0) location.hash = `#/beside/${runs.join(',')}`;
    else said.textContent = 'No run is marked.';
  } else if (sent.dataset.form === 'row') {
    const round = String(data.get('round') ?? '').trim();
    const row = encodeURIComponent(String(data.get('row')).trim());
    location.hash = `#/runs/${encodeURIComponent(sent.dataset.run ?? '')}/rows/${row}${round === '' ? '' : `?round=${round}`}`;
  }
});

hold.addEventListener('click', () => {
  isHeld = !isHeld;
  hold.setAttribute('aria-pressed', String(isHeld));
  if (isHeld) {
    clearTimeout(timer);
    sayAge();
  } else void update();
});

addEventListener('hashchange', () => {
  takeToken();
  void update();
});
document.addEventListener('visibilitychange', () => {
  if (document.hidden) clearTimeout(timer);
  else if (!isHeld) void update();
});

takeToken();
if (localStorage.getItem(tokenKey) === null) sayLocked();
else {
  // Reports open in windows of their own, which send no header.
  void ask('/session', { method: 'POST' }).catch(() => undefined);
  void update();
}
