// The conversation on the page: messages in order, the answer that is being written, who types.

import { attachments } from "./files.js";
import { T } from "./line.js";
import { button, el, link, plain, rich } from "./text.js";

export const $ = (id) => document.getElementById(id);
export const [log, newer] = ["log", "newer"].map($);
const [live, scroll] = ["live", "scroll"].map($);

// ---- messages -------------------------------------------------------------------------------------------------------

export const rows = new Map(); // message id -> its row

/** Another conversation begins. */
export function clear() {
  for (const row of rows.values()) row.remove();
  rows.clear();
}

/** A message that is not on the page yet. */
export function add(message) {
  const row = document.createElement("article");
  fill(row, message);
  withdraw(message.id);
  const other = message.author.kind !== "customer";
  if (other) typing({ on: false });
  if (!stick(() => place(row)) && other) newer.hidden = false;
}

/** Rows stand in the order of seq; those that are being sent have none and stand last. */
export function place(row) {
  const after = [...log.children].find((other) => other !== row && order(other) > order(row)) ?? null;
  if (row.parentNode !== log || row.nextElementSibling !== after) log.insertBefore(row, after);
}
const order = (row) => Number(row.dataset.seq ?? Infinity);

/** Draw a message, for the first time or again, into its row; one that is the same as before stays untouched. */
export function fill(row, message) {
  const { kind, name } = message.author;
  const drawn = JSON.stringify([message.text, message.attachments, message.citations, name]);
  rows.set(message.id, row);
  if (row.drawn === drawn) return;
  row.drawn = drawn;
  row.dataset.seq = message.seq;
  row.className = `message ${kind}`;
  const who = el("p", kind === "customer" ? "hidden" : "who");
  who.append(el("b", "", kind === "customer" ? T.you : named(kind, name)));
  if (kind === "assistant") who.append(` · ${T.automatic}`);
  const files = attachments(message.attachments ?? []);
  const body = el("div", "text");
  body.dir = "auto";
  if (!message.text && !files.length) body.append(el("em", "", T.removed));
  else (kind === "customer" ? plain : rich)(body, message.text);
  const when = el("p", "when");
  const time = el("time", "", moment(new Date(message.created_at)));
  time.dateTime = message.created_at;
  when.append(time);
  row.replaceChildren(who, ...(body.childNodes.length ? [body] : []), ...files, ...sources(message.citations ?? []), when);
}

function moment(at) {
  const time = { hour: "2-digit", minute: "2-digit" };
  const today = at.toDateString() === new Date().toDateString();
  const locale = navigator.language.startsWith(T.lang) ? navigator.language : T.lang; // en-GB counts to 24
  return at.toLocaleString(locale, today ? time : { day: "numeric", month: "short", ...time });
}

/** "Assistant" is what an assistant is called until somebody names it. */
function named(kind, name) {
  if (kind === "agent") return name || T.colleague;
  return name && name !== "Assistant" ? name : T.assistant;
}

function sources(citations) {
  if (!citations.length) return [];
  const list = el("ul", "sources");
  for (const { title, url } of citations) {
    const item = el("li");
    const where = el("div");
    where.append(link(url, title) ?? title);
    item.append(el("span", "", T.source), where);
    list.append(item);
  }
  return [list];
}

/** A person has read what the customer wrote up to `seq`: the last of those lines says so. */
export function readUpTo(seq) {
  const own = [...log.querySelectorAll(".message.customer[data-seq]")].filter((row) => order(row) <= seq);
  const last = own.at(-1);
  if (last?.querySelector(".read")) return;
  log.querySelector(".read")?.remove();
  last?.querySelector(".when").append(el("span", "read", ` · ${T.read}`));
}

/** Earlier chats of the same customer, above this one, when they are asked for. */
export function offerEarlier(load) {
  const place = $("earlier");
  const open = button("quiet", T.earlier, async () => {
    open.disabled = true;
    const items = await load().catch(() => null);
    if (!items) return void (open.disabled = false);
    const before = scroll.scrollHeight - scroll.scrollTop;
    let talk = null;
    place.replaceChildren();
    for (const message of items) {
      if (message.conversation_id !== talk) place.append(el("p", "notice", `${T.earlierChat} · ${moment(new Date(message.created_at))}`));
      talk = message.conversation_id;
      const row = el("article");
      fill(row, message);
      rows.delete(message.id);
      place.append(row);
    }
    place.append(el("hr"));
    scroll.scrollTop = scroll.scrollHeight - before;
    place.tabIndex = -1;
    place.focus({ preventScroll: true });
  });
  place.replaceChildren(open);
}

// ---- an answer while it is written: outside the log, so that it is read out once, when it is whole ------------------

const DRAWN = 50; // milliseconds between two drawings of it: a fast model must not keep a slow phone busy
let writing = null, dots = 0;

export function piece({ message_id: id, offset, text }) {
  if (rows.has(id)) return;
  if (writing?.id !== id) {
    withdraw();
    const row = el("article", "message assistant");
    const who = el("p", "who");
    who.append(el("b", "", T.assistant), ` · ${T.automatic}`);
    const body = el("div", "text");
    body.dir = "auto";
    row.append(who, body);
    writing = { id, row, body, characters: [], resting: false };
    typing({ on: false });
    live.replaceChildren(row);
  }
  if (offset > writing.characters.length) return; // a piece was lost; the whole message comes
  writing.characters.length = offset; // counts characters, not UTF-16 units
  writing.characters.push(...text);
  if (!writing.resting) draw(writing);
}

/** Draw what has been written so far: the first piece at once, the others together. */
function draw(one) {
  if (one !== writing) return;
  stick(() => rich(one.body, one.characters.join("")));
  one.resting = true;
  const drawn = one.characters.length;
  setTimeout(() => {
    one.resting = false;
    if (one.characters.length !== drawn) draw(one);
  }, DRAWN);
}

/** Take back the text of this message, or any, that is being written. */
export function withdraw(id) {
  if (writing && (id === undefined || writing.id === id)) {
    writing.row.remove();
    writing = null;
  }
}

/** Somebody types, until told otherwise or for a while. */
export function typing({ who, on }) {
  clearTimeout(dots);
  live.querySelector(".waiting")?.remove();
  if (!on || writing) return;
  const row = el("article", `message waiting ${who === "agent" ? "agent" : "assistant"}`);
  const body = row.appendChild(el("div", "text"));
  body.appendChild(el("span", "typing")).append(el("i"), el("i"), el("i"));
  stick(() => live.append(row));
  dots = setTimeout(() => row.remove(), who === "assistant" ? 60000 : 6000);
}

// ---- scrolling: the end is followed only by those who look at it ----------------------------------------------------

export const atEnd = () => scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 90;
export function toEnd() { scroll.scrollTop = scroll.scrollHeight; }

/** Change the page; whoever saw its end sees it again. Gives whether that was so. */
export function stick(change) {
  const end = atEnd();
  change();
  if (end) toEnd();
  return end;
}
scroll.addEventListener("scroll", () => { if (atEnd()) newer.hidden = true; }, { passive: true });
newer.addEventListener("click", () => { newer.hidden = true; toEnd(); $("text").focus(); });
