// What the visitor writes, sent one after the other, each under its own client_id: trying again never doubles, and what
// waits is kept through reloads. Two tabs that send the same line send it once.

import * as line from "./line.js";
import { attachments } from "./files.js";
import { button, el, plain } from "./text.js";
import { add, fill, log, place, rows, toEnd } from "./thread.js";

const { T, store } = line;
const PREFIX = `${line.KEY}.out.`;
const WEEK = 7 * 86400000;
const queue = [];
const held = []; // own messages of which it is not known yet whether they are the one being sent
let sending = null;
export let wake = () => {};

/** A message of the visitor's: shown at once, sent as soon as it can be. `files`: what the upload gave. */
export function write(text, files) {
  const item = { client_id: uuid(), text, files, at: Date.now() };
  store.set(PREFIX + item.client_id, item);
  take(item);
  toEnd();
}

/** What a former page, or another tab, had not sent. */
export function resume() {
  const found = line.store.keys().filter((key) => key.startsWith(PREFIX)).map((key) => store.get(key));
  for (const item of found.filter(Boolean).sort((a, b) => a.at - b.at)) {
    if (Date.now() - item.at > WEEK) store.remove(PREFIX + item.client_id);
    else take(item);
  }
}

/** Nothing that waits is sent: another person sits here now. */
export function discard() {
  for (const key of store.keys()) if (key.startsWith(PREFIX)) store.remove(key);
  for (const { row } of queue.splice(0)) row.remove();
}

function take(item) {
  const row = el("article", "message customer pending");
  row.append(el("p", "hidden", T.you));
  if (item.text) {
    const body = row.appendChild(el("div", "text"));
    body.dir = "auto";
    plain(body, item.text);
  }
  row.append(...attachments(item.files), el("p", "when", T.sending));
  log.append(row);
  queue.push({ ...item, row });
  pump();
}

function uuid() {
  // randomUUID is missing on plain http, where many first installations run.
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Is this the line that is being sent? Then the answer to the request shows it, not the stream. */
export function holds(message) {
  const same = message.author.kind === "customer" && sending?.text === message.text && !rows.has(message.id);
  if (same) held.push(message);
  return same;
}

async function pump() {
  if (sending) return;
  let tries = 0;
  while ((sending = queue[0])) {
    const { row, text, client_id, files } = sending;
    try {
      if (!line.ready()) await line.session();
      line.connect();
      const attached = files.map(({ id }) => id);
      const message = await line.call("messages", { text, client_id, attachments: attached });
      done();
      tries = 0;
      if (rows.has(message.id)) row.remove(); // a replay or another tab brought it
      else {
        fill(row, message);
        place(row);
      }
    } catch (error) {
      if (!("status" in error)) throw error;
      if (queue[0] !== sending) continue; // discarded meanwhile
      tries += 1;
      if (error.status === 401 && tries < 3) {
        line.forget(); // the session ran out: begin it anew, then send
      } else if (error.status === 0 || error.status === 429 || error.status >= 500) {
        await later(row, error, tries);
      } else {
        done();
        tries = 0;
        noted(row, error.status === 404 || error.status === 403 ? T.closedNow : T.refused, true);
      }
    }
  }
  for (const message of held.splice(0)) if (!rows.has(message.id)) add(message);
}

function done() {
  if (queue[0] === sending) queue.shift();
  store.remove(PREFIX + sending.client_id);
}

/** Wait until it is worth trying again; "try now", the network's return or the tab's end the wait. */
async function later(row, { status, wait }, tries) {
  noted(row, status === 429 ? T.slow : navigator.onLine ? T.unsent : T.unsentOffline, true);
  await new Promise((resolve) => {
    wake = resolve;
    row.querySelector(".when").append(" ", button("", T.now, resolve));
    setTimeout(resolve, wait ? wait * 1000 * (1 + Math.random() / 5) : line.pause(tries + 1));
  });
  wake = () => {};
  noted(row, T.sending, false);
}

function noted(row, text, bad) {
  const when = row.querySelector(".when");
  when.textContent = text;
  when.classList.toggle("bad", bad);
}
