// The conversation on the page: messages in order, the answer that is being written, who types.

import { el, link, plain, rich } from "./text.js";

export const $ = (id) => document.getElementById(id);
export const T = JSON.parse(document.body.dataset.texts);
export const [log, newer] = ["log", "newer"].map($);
const [live, scroll] = ["live", "scroll"].map($);
const TITLE = document.title;

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
  const stick = atEnd();
  withdraw(message.id);
  typing({ on: false });
  place(row);
  if (message.author.kind !== "customer" && document.hidden) document.title = `● ${TITLE}`;
  if (stick) toEnd();
  else if (message.author.kind !== "customer") newer.hidden = false;
}

/** Rows stand in the order of seq; those that are being sent have none and stand last. */
export function place(row) {
  const after = [...log.children].find((other) => other !== row && order(other) > order(row)) ?? null;
  if (row.parentNode !== log || row.nextElementSibling !== after) log.insertBefore(row, after);
}
const order = (row) => Number(row.dataset.seq ?? Infinity);

/** Draw a message, for the first time or again, into its row. */
export function fill(row, message) {
  const { kind, name } = message.author;
  rows.set(message.id, row);
  row.dataset.seq = message.seq;
  row.className = `message ${kind}`;
  const who = el("p", kind === "customer" ? "hidden" : "who");
  who.append(el("b", "", kind === "customer" ? T.you : named(kind, name)));
  if (kind === "assistant") who.append(` · ${T.automatic}`);
  const body = el("div", "text");
  body.dir = "auto";
  kind === "customer" ? plain(body, message.text) : rich(body, message.text);
  for (const file of message.attachments ?? []) body.append(el("p", "", `📎 ${file.name}`));
  row.replaceChildren(who, body, ...sources(message.citations ?? []));
  const when = el("p", "when");
  const at = new Date(message.created_at);
  const time = el("time", "", at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = message.created_at;
  when.append(time);
  row.append(when);
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

// ---- an answer while it is written: outside the log, so that it is read out once, when it is whole ------------------

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
    writing = { id, row, body, characters: [] };
    typing({ on: false });
    live.replaceChildren(row);
  }
  if (offset > writing.characters.length) return; // a piece was lost; the whole message comes
  writing.characters.length = offset; // counts characters, not UTF-16 units
  writing.characters.push(...text);
  const stick = atEnd();
  rich(writing.body, writing.characters.join(""));
  if (stick) toEnd();
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
  const row = el("article", `message waiting ${who}`);
  const body = el("div", "text");
  const three = el("span", "typing");
  three.append(el("i"), el("i"), el("i"));
  body.append(three);
  row.append(body);
  const stick = atEnd();
  live.append(row);
  if (stick) toEnd();
  dots = setTimeout(() => row.remove(), who === "assistant" ? 60000 : 6000);
}

// ---- scrolling: the end is followed only by those who look at it ----------------------------------------------------

const atEnd = () => scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 90;
export function toEnd() { scroll.scrollTop = scroll.scrollHeight; }
scroll.addEventListener("scroll", () => { if (atEnd()) newer.hidden = true; }, { passive: true });
newer.addEventListener("click", () => { newer.hidden = true; toEnd(); $("text").focus(); });

document.addEventListener("visibilitychange", () => { if (!document.hidden) document.title = TITLE; });
