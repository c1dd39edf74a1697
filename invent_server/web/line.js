// The line to the server: who the visitor is, requests, the live connection. What comes in goes to `on`.

const { inbox } = document.body.dataset;
const HOME = new URL(`../web/${inbox}/`, location.href);
export const T = JSON.parse(document.body.dataset.texts);
export const KEY = `invent.${inbox}`;

/** What to do with what comes in; chat.js fills it. */
export const on = { message() {}, piece() {}, ended() {}, typing() {}, standing() {}, another() {}, live() {}, say() {} };

// ---- what outlives the page: storage may throw (private mode, a sandbox); then it lives as long as the page ---------

const memory = new Map();
let storage = null;
try { (storage = localStorage).getItem(KEY); } catch { storage = null; }
export const store = {
  get(key) {
    try { return JSON.parse((storage ? storage.getItem(key) : memory.get(key)) ?? "null"); } catch { return null; }
  },
  set(key, value) {
    const text = JSON.stringify(value);
    try { if (storage) return storage.setItem(key, text); } catch { storage = null; }
    memory.set(key, text);
  },
  remove(key) {
    memory.delete(key);
    storage?.removeItem(key);
  },
  keys: () => (storage ? Object.keys(storage) : [...memory.keys()]),
};

let kept = store.get(KEY) ?? {}; // {token, user}
let identity = null;
export let conversation = null;
export const known = () => Boolean(kept.token || identity?.user_id); // has been here before, here or elsewhere
export const ready = () => Boolean(kept.token && conversation);
export const forget = () => { conversation = null; };

/**
 * The site says who this is: {user_id, user_hash, name, email}, or null for nobody.
 * Another user than before gets nothing of that user's; chats of nobody become those of the first who signs in.
 * Gives true when what waits to be sent belongs to somebody else.
 */
export function identify(given) {
  identity = given;
  const user = given?.user_id ?? null;
  if (!kept.user || kept.user === user) return false;
  kept = {};
  store.remove(KEY);
  conversation = null;
  seq = 0;
  on.another();
  return true;
}

// ---- requests -------------------------------------------------------------------------------------------------------

/** The answer of a request below /web/INBOX. Throws {status, wait}: status 0 = nobody answered, wait in seconds. */
export async function request(path, { body, form, seconds = 20 } = {}) {
  const headers = kept.token && path !== "session" ? { Authorization: `Bearer ${kept.token}` } : {};
  if (body) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(new URL(path, HOME), {
      method: body || form ? "POST" : "GET", headers, body: form ?? (body && JSON.stringify(body)),
      cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(seconds * 1000),
    });
    if (answer.ok) return answer;
  } catch { answer = null; }
  throw { status: answer ? answer.status : 0, wait: Number(answer?.headers.get("Retry-After")) || 0 };
}

/** The same, as JSON. */
export async function call(path, body) {
  const answer = await request(path, { body });
  try { return await answer.json(); } catch { throw { status: 0, wait: 0 }; }
}

let starting = null;

/** Begin or resume the visitor's session, once at a time. `more`: what else is said of the visitor. */
export function session(more) {
  starting ??= call("session", { token: kept.token, locale: T.lang, ...identity, ...more })
    .catch((error) => {
      if (error.status !== 403 || !identity?.user_id) throw error;
      console.error("Invent: user_id and user_hash do not belong together; the visitor goes on without a name");
      identity = null;
      return call("session", { locale: T.lang });
    })
    .then((found) => {
      kept = { token: found.token, user: identity?.user_id ?? kept.user };
      store.set(KEY, kept);
      belongsTo(found.conversation_id);
    })
    .finally(() => { starting = null; });
  return starting;
}

/** Another conversation than before: the former one was closed long ago, or its token has expired. */
function belongsTo(id) {
  if (conversation && conversation !== id) {
    seq = 0;
    on.another();
  }
  conversation = id;
}

/** Begin anew after `identify`; for nobody only when that nobody has been here before. */
export async function restart() {
  drop();
  if (!known()) return;
  await session();
  connect();
}

// ---- the live connection --------------------------------------------------------------------------------------------

const BACK = 30; // messages asked for again after a break: they may have been changed meanwhile
let socket = null, hello = false, losses = 0, again = 0, polling = 0;
let seq = 0; // the highest that the stream or a poll gave: everything up to it is on the page

export const live = () => hello;
export const send = (frame) => { if (hello) socket.send(JSON.stringify(frame)); };
export const pause = (tries) => Math.min(30000, 250 * 2 ** Math.min(tries, 8)) * (0.5 + Math.random());

export function connect() {
  clearTimeout(again);
  if (!kept.token || socket) return;
  const url = new URL(`stream?after=${Math.max(0, seq - BACK)}`, HOME);
  url.protocol = url.protocol.replace("http", "ws");
  let mine;
  try { mine = new WebSocket(url); } catch { return lost(0); }
  socket = mine;
  hello = false;
  mine.onopen = () => mine.send(JSON.stringify({ type: "auth", token: kept.token }));
  mine.onmessage = (event) => socket === mine && receive(JSON.parse(event.data));
  mine.onclose = (event) => socket === mine && lost(event.code);
}

function drop() {
  clearTimeout(again);
  const former = socket;
  socket = null;
  hello = false;
  former?.close();
}

/** The connection is gone, or never came: again after a while with jitter, and by asking meanwhile. */
function lost(code) {
  socket = null;
  hello = false;
  on.ended();
  if (code === 4403) return on.say(T.closedNow);
  losses += 1;
  const anew = code === 4401 ? () => session().then(connect, () => lost(0)) : connect;
  again = setTimeout(anew, pause(losses));
  if (code !== 4401 && losses > 1) {
    on.say(navigator.onLine ? T.connecting : T.offline);
    if (!polling) poll();
  }
}

/** Where WebSockets do not pass: ask for what is new. The socket is still tried beside it. */
async function poll() {
  clearTimeout(polling);
  polling = 0;
  if (hello || !kept.token) return;
  try {
    let items;
    do {
      ({ items } = await call(`messages?after=${seq}`));
      items.forEach(arrived);
    } while (items.length >= 200);
    const now = await call("status");
    if (!hello) {
      on.standing(now);
      on.say(null);
    }
  } catch {
    if (!hello) on.say(navigator.onLine ? T.connecting : T.offline);
  }
  if (!hello) polling = setTimeout(poll, document.hidden ? 15000 : 2000);
}

/** The tab or the network is back: connect at once; a connection that seems to live may have slept through something. */
async function retryNow() {
  on.live();
  if (!kept.token || starting) return;
  if (hello) {
    const { items } = await call(`messages?after=${seq}`).catch(() => ({ items: null }));
    if (items && !items.some((one) => one.seq > seq)) return;
  }
  drop();
  connect();
}
addEventListener("online", retryNow);
addEventListener("offline", () => on.say(T.offline));
addEventListener("pageshow", (event) => event.persisted && retryNow());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) retryNow();
});

/** Connect. */
export function begin() {
  return session().then(connect, ({ status }) => (status === 404 || status === 403 ? on.say(T.closedNow) : lost(0)));
}

function arrived(message) {
  seq = Math.max(seq, message.seq);
  on.message(message);
}

function receive({ type, data }) {
  if (type === "hello") {
    hello = true;
    losses = 0;
    belongsTo(data.conversation_id);
    on.ended();
    on.say(null);
    on.live();
  } else if (type === "message") arrived(data);
  else if (type === "token") on.piece(data);
  else if (type === "token.end" && data.reason !== "done") on.ended(data.message_id);
  else if (type === "typing") on.typing(data);
  else if (type === "status") on.standing(data);
}
