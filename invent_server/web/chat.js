// The chat page: one conversation, live. Text of others reaches the page as text nodes only, never as markup.

import { el, plain } from "./text.js";
import { $, T, add, clear, fill, log, newer, piece, place, rows, toEnd, typing, withdraw } from "./thread.js";

const { inbox } = document.body.dataset;
const HOME = new URL(`../web/${inbox}/`, location.href);
const KEY = `invent.${inbox}`;
const [form, input, send, state] = ["form", "text", "send", "state"].map($);

// ---- the session's token: storage may throw (private mode, sandbox); then it lives as long as the page --------------

let token = null;
try { token = localStorage.getItem(KEY); } catch { /* in memory only */ }

function keep(value) {
  token = value;
  try { localStorage.setItem(KEY, value); } catch { /* in memory only */ }
}

// ---- requests -------------------------------------------------------------------------------------------------------

/** JSON of a request below /web/INBOX. Throws {status, wait}: status 0 = nobody answered, wait in seconds. */
async function call(path, body) {
  const headers = token && path !== "session" ? { Authorization: `Bearer ${token}` } : {};
  if (body) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(new URL(path, HOME), {
      method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), cache: "no-store",
      credentials: "omit", signal: AbortSignal.timeout(20000),
    });
    if (answer.ok) return await answer.json();
  } catch { /* no connection, or no whole answer */ }
  throw { status: answer && !answer.ok ? answer.status : 0, wait: Number(answer?.headers.get("Retry-After")) || 0 };
}

let starting = null;
let conversation = null;

/** Begin or resume the visitor's session, once at a time. */
function session() {
  starting ??= call("session", { token: token ?? undefined, locale: T.lang })
    .then((found) => {
      keep(found.token);
      belongsTo(found.conversation_id);
    })
    .finally(() => { starting = null; });
  return starting;
}

/** Another conversation than before: the former one was closed long ago, or its token has expired. */
function belongsTo(id) {
  if (conversation && conversation !== id) {
    clear();
    seq = 0;
    standing({ handler: "assistant", status: "open" });
  }
  conversation = id;
}

// ---- the live connection --------------------------------------------------------------------------------------------

let socket = null, hello = false, losses = 0, again = 0, polling = 0;
let seq = 0; // the highest that the stream or a poll gave: everything up to it is on the page

function connect() {
  clearTimeout(again);
  if (!token || socket) return;
  const url = new URL(`stream?after=${seq}`, HOME);
  url.protocol = url.protocol.replace("http", "ws");
  let mine;
  try { mine = new WebSocket(url); } catch { return lost(0); }
  socket = mine;
  hello = false;
  mine.onopen = () => mine.send(JSON.stringify({ type: "auth", token }));
  mine.onmessage = (event) => socket === mine && receive(JSON.parse(event.data));
  mine.onclose = (event) => socket === mine && lost(event.code);
}

/** The connection is gone, or never came: again after a while with jitter, and by asking meanwhile. */
function lost(code) {
  socket = null;
  hello = false;
  withdraw();
  if (code === 4403) return say(T.closedNow);
  if (code === 4401) {
    losses += 1;
    again = setTimeout(() => session().then(connect, () => lost(0)), pause(losses));
    return;
  }
  losses += 1;
  again = setTimeout(connect, pause(losses));
  if (losses > 1) {
    say(navigator.onLine ? T.connecting : T.offline);
    if (!polling) poll();
  }
}

const pause = (tries) => Math.min(30000, 250 * 2 ** Math.min(tries, 8)) * (0.5 + Math.random());

/** Where WebSockets do not pass: ask for what is new. The socket is still tried beside it. */
async function poll() {
  clearTimeout(polling);
  polling = 0;
  if (hello || !token) return;
  try {
    let items;
    do {
      ({ items } = await call(`messages?after=${seq}`));
      items.forEach(arrived);
    } while (items.length >= 200);
    if (!hello) say(null);
  } catch (error) {
    if (!hello) say(navigator.onLine ? T.connecting : T.offline);
  }
  if (!hello) polling = setTimeout(poll, document.hidden ? 15000 : 2000);
}

/** The tab or the network is back: connect at once; a connection that seems to live may have slept through something. */
async function retryNow() {
  wake();
  if (!token || starting) return;
  if (hello) {
    const { items } = await call(`messages?after=${seq}`).catch(() => ({ items: null }));
    if (items && !items.some(({ id }) => !rows.has(id))) return;
  }
  const former = socket;
  socket = null;
  hello = false;
  former?.close();
  connect();
}
addEventListener("online", retryNow);
addEventListener("offline", () => say(T.offline));
addEventListener("pageshow", (event) => event.persisted && retryNow());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) retryNow();
});

function receive({ type, data }) {
  if (type === "hello") {
    hello = true;
    losses = 0;
    belongsTo(data.conversation_id);
    withdraw();
    say(null);
    wake(); // what waits to be sent can go
    setTimeout(() => log.removeAttribute("aria-busy"), 400); // what was missed is read out only from here on
  } else if (type === "message") arrived(data);
  else if (type === "token") piece(data);
  else if (type === "token.end" && data.reason !== "done") withdraw(data.message_id);
  else if (type === "typing") typing(data);
  else if (type === "status") standing(data);
}

// ---- messages -------------------------------------------------------------------------------------------------------

const held = []; // own messages of which it is not known yet whether they are the one being sent

function arrived(message) {
  seq = Math.max(seq, message.seq);
  const row = rows.get(message.id);
  if (row) fill(row, message);
  else if (message.author.kind === "customer" && sending) held.push(message);
  else add(message);
}

// ---- sending: one after the other, each under its own client_id, so that trying again never doubles -----------------

const queue = [];
let sending = null, wake = () => {};

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = input.value.trim();
  if (!text) return;
  const row = el("article", "message customer pending");
  const who = el("p", "hidden", T.you);
  const body = el("div", "text");
  body.dir = "auto";
  plain(body, text);
  row.append(who, body, el("p", "when", T.sending));
  log.append(row);
  queue.push({ text, row, client_id: uuid() });
  input.value = "";
  resized();
  newer.hidden = true;
  toEnd();
  pump();
});

function uuid() {
  // randomUUID is missing on plain http, where many first installations run.
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function pump() {
  if (sending) return;
  let tries = 0;
  while ((sending = queue[0])) {
    try {
      if (!token || !conversation) await session();
      connect();
      const message = await call("messages", { text: sending.text, client_id: sending.client_id });
      queue.shift();
      tries = 0;
      fill(sending.row, message);
      place(sending.row);
    } catch (error) {
      tries += 1;
      if (error.status === 401 && tries < 3) {
        conversation = null; // the session ran out: begin it anew, then send
      } else if (error.status === 0 || error.status === 429 || error.status >= 500) {
        await later(sending.row, error, tries);
      } else {
        queue.shift();
        tries = 0;
        noted(sending.row, error.status === 404 || error.status === 403 ? T.closedNow : T.refused, true);
      }
    }
  }
  for (const message of held.splice(0)) if (!rows.has(message.id)) add(message);
}

/** Wait until it is worth trying again; "try now", the network's return or the tab's end the wait. */
async function later(row, { status, wait }, tries) {
  noted(row, status === 429 ? T.slow : navigator.onLine ? T.unsent : T.unsentOffline, true);
  const now = el("button", "", T.now);
  now.type = "button";
  row.querySelector(".when").append(" ", now);
  await new Promise((resolve) => {
    wake = resolve;
    now.onclick = resolve;
    setTimeout(resolve, wait ? wait * 1000 * (1 + Math.random() / 5) : pause(tries + 1));
  });
  wake = () => {};
  noted(row, T.sending, false);
}

function noted(row, text, bad) {
  const when = row.querySelector(".when");
  when.textContent = text;
  when.classList.toggle("bad", bad);
}

addEventListener("beforeunload", (event) => { if (queue.length) event.preventDefault(); });

let told = 0;
input.addEventListener("input", () => {
  resized();
  if (!token || !conversation) session().then(connect, () => {}); // open before the first line is sent
  if (hello && Date.now() - told > 2500) {
    told = Date.now();
    socket.send('{"type":"typing"}');
  }
});
input.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    form.requestSubmit();
  }
});

function resized() {
  send.disabled = !input.value.trim();
  input.style.height = "auto";
  input.style.height = `${input.scrollHeight + 2}px`;
}

// ---- how it stands --------------------------------------------------------------------------------------------------

let standingText = state.textContent;

function standing({ handler, status }) {
  standingText = status === "closed" ? T.closed : { queue: T.waiting, agent: T.taken }[handler] ?? T.state;
  say(null);
}

/** A remark about the connection; null: how the conversation stands. */
function say(text) {
  const shown = text ?? standingText;
  if (state.textContent !== shown) state.textContent = shown;
}

// ---- begin ----------------------------------------------------------------------------------------------------------

resized();
if (token) {
  log.setAttribute("aria-busy", "true");
  session().then(connect, (error) => (error.status === 404 || error.status === 403 ? say(T.closedNow) : lost(0)));
}
if (matchMedia("(pointer: fine)").matches) input.focus();
