// The chat page, hosted, framed, or as the panel of a launcher: composer, how it stands, what is unread.

import * as cards from "./cards.js";
import * as files from "./files.js";
import * as host from "./host.js";
import * as line from "./line.js";
import * as outgoing from "./outgoing.js";
import * as thread from "./thread.js";

const { T, store } = line;
const { $, log, rows } = thread;
const [form, input, send, state] = ["form", "text", "send", "state"].map($);
const TITLE = document.title;
const READ = `${line.KEY}.read`;
let open = !host.panel;

// ---- what comes in --------------------------------------------------------------------------------------------------

let newest = 0, told = 0, standingNow = null;

line.on.message = (message) => {
  const row = rows.get(message.id);
  if (row) thread.fill(row, message);
  else if (!outgoing.holds(message)) thread.add(message);
  if (message.author.kind === "customer") {
    if (standingNow) thread.readUpTo(standingNow.read);
  } else {
    newest = Math.max(newest, message.seq);
    if (!row) host.tell({ type: "message", author: message.author.kind, name: message.author.name, text: message.text });
  }
  count();
};
line.on.piece = thread.piece;
line.on.ended = thread.withdraw;
line.on.typing = thread.typing;
line.on.live = () => {
  outgoing.wake(); // what waits to be sent can go
  setTimeout(() => log.removeAttribute("aria-busy"), 400); // what was missed is read out only from here on
};
line.on.another = () => {
  thread.clear();
  newest = told = 0;
  line.on.standing({ handler: "assistant", status: "open", read: 0 });
  earlier();
};

/** Offer earlier chats, if there are any. */
async function earlier() {
  const { items } = await (line.known() ? line.call("history?limit=1").catch(() => null) : null) ?? { items: [] };
  if (items.length) thread.offerEarlier(async () => (await line.call("history")).items);
  else $("earlier").replaceChildren();
}

// ---- how it stands --------------------------------------------------------------------------------------------------

let standingText = state.textContent;

line.on.standing = (now) => {
  standingNow = now;
  standingText = now.status === "closed" ? T.closed : { queue: T.waiting, agent: T.taken }[now.handler] ?? T.state;
  say(null);
  thread.readUpTo(now.read);
  cards.standing(now);
};

/** A remark about the connection; null: how the conversation stands. */
function say(text) {
  const shown = text ?? standingText;
  if (state.textContent !== shown) state.textContent = shown;
}
line.on.say = say;

// ---- what is unread: what came since this browser last showed the end of the thread ----------------------------------

function count() {
  const looking = open && !document.hidden;
  const before = store.get(READ);
  let read = before?.[0] === line.conversation ? before[1] : 0;
  if (looking && newest > read) {
    store.set(READ, [line.conversation, (read = newest)]);
  }
  if (looking && newest > told) {
    line.send({ type: "read", data: { seq: newest } });
    if (line.live()) told = newest;
  }
  const unread = [...rows.values()].filter((row) => !row.classList.contains("customer") && row.dataset.seq > read).length;
  host.tell({ type: "unread", count: unread });
  if (!host.panel) document.title = unread ? `(${unread}) ${TITLE}` : TITLE;
}
document.addEventListener("visibilitychange", count);
addEventListener("storage", ({ key }) => key === READ && count());

// ---- the composer ---------------------------------------------------------------------------------------------------

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = input.value.trim();
  if ((!text && !files.any()) || files.uploading()) return;
  outgoing.write(text, files.taken());
  host.tell({ type: "known" });
  input.value = "";
  thread.newer.hidden = true;
  resized();
  input.focus();
});

let typed = 0;
input.addEventListener("input", () => {
  resized();
  if (!line.ready()) line.session().then(line.connect, () => {}); // open before the first line is sent
  if (Date.now() - typed > 2500 && line.live()) {
    typed = Date.now();
    line.send({ type: "typing" });
  }
});
input.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    form.requestSubmit();
  }
});

function resized() {
  send.disabled = files.uploading() || !(input.value.trim() || files.any());
  input.style.height = "auto";
  if (input.scrollHeight) input.style.height = `${input.scrollHeight + 2}px`;
}

// ---- begin ----------------------------------------------------------------------------------------------------------

/** The site names somebody, or nobody: lines that wait belong to who was here before. */
function identify(given) {
  if (line.identify(given)) outgoing.discard();
}

host.paint();
host.listen(({ type, ...data }) => {
  if (type === "identify") {
    identify(data.identity);
    line.restart().catch(() => {});
    return;
  }
  if (line.known()) host.tell({ type: "known" });
  open = data.open ?? type === "open";
  count();
  if (open) {
    resized();
    thread.toEnd();
    input.focus();
  }
});
if (host.panel) {
  $("close").hidden = false;
  $("close").onclick = () => host.tell({ type: "close" });
  addEventListener("keydown", (event) => event.key === "Escape" && !event.isComposing && host.tell({ type: "close" }));
}
files.watch(resized);
resized();
const given = host.identity();
if (given || host.signsOut) identify(given);
if (line.known()) {
  log.setAttribute("aria-busy", "true");
  line.begin().then(earlier);
}
outgoing.resume();
if (!host.panel && matchMedia("(pointer: fine)").matches) input.focus();
