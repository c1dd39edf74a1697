// What the page asks for beside the conversation: a rating when the chat is closed, an address when nobody is there.

import { T, call, session } from "./line.js";
import { el } from "./text.js";
import { $, stick } from "./thread.js";

const cards = $("cards");
let shown = "", at = "", round = 0, rated = false;

/** Show what fits how the conversation stands. */
export async function standing({ handler, status, rate }) {
  const mine = ++round, now = `${handler} ${status}`, waits = now === "queue open";
  if (status !== "closed") rated = false;
  if (now === at && (shown === "thanks" || (waits && shown))) return; // it is asked already, or answered
  at = now;
  let wanted = rate && !rated ? "rating" : "", found = null;
  if (waits) {
    found = await call(`status?lang=${T.lang}`).catch(() => null);
    if (mine !== round) return; // something newer has come meanwhile
    if (found?.away) wanted = found.email ? "away" : "address";
  }
  if (wanted !== shown) show(wanted, { rating, away, address }[wanted]?.(found?.note || T.away));
}

function show(name, ...content) {
  shown = name;
  stick(() => cards.replaceChildren(...content.filter(Boolean)));
}

function rating() {
  const form = el("form", "card");
  const choice = el("fieldset");
  choice.append(el("legend", "", T.rate));
  const scores = choice.appendChild(el("div", "scores"));
  for (let score = 1; score <= 5; score += 1) {
    const label = el("label");
    const input = el("input");
    Object.assign(input, { type: "radio", name: "score", value: score, required: true });
    input.setAttribute("aria-label", [T.score.replace("{count}", score), { 1: T.worst, 5: T.best }[score]]
      .filter(Boolean).join(", "));
    label.append(input, el("span", "", score));
    scores.append(label);
  }
  const ends = el("p", "ends");
  ends.setAttribute("aria-hidden", "true");
  ends.append(el("span", "", T.worst), el("span", "", T.best));
  const more = el("textarea");
  Object.assign(more, { rows: 2, maxLength: 2000, placeholder: T.comment, name: "comment" });
  more.setAttribute("aria-label", T.comment);
  const send = el("button", "main", T.sendRating);
  send.disabled = true;
  form.append(choice, ends, more, send);
  form.onchange = () => { send.disabled = false; };
  form.onsubmit = async (event) => {
    event.preventDefault();
    send.disabled = true;
    try {
      await call("csat", { score: Number(form.elements.score.value), comment: more.value.trim() || undefined });
    } catch (error) {
      if (error.status !== 409) { // rated in another tab: that is a rating, too
        send.disabled = false;
        return;
      }
    }
    rated = true;
    show("thanks", said(T.thanks));
    $("text").focus();
  };
  return form;
}

const said = (text) => {
  const note = el("p", "card note", text);
  note.setAttribute("role", "status");
  return note;
};
const away = said;

function address(note) {
  const form = el("form", "card");
  const id = "address";
  const label = el("label", "", T.leaveEmail);
  label.htmlFor = id;
  const row = el("div", "row");
  const input = el("input");
  Object.assign(input, { id, type: "email", autocomplete: "email", required: true, maxLength: 320, placeholder: T.email });
  row.append(input, el("button", "main", T.keep));
  const problem = el("p", "when bad");
  problem.setAttribute("role", "alert");
  const explained = $("log").lastElementChild?.classList.contains("assistant"); // the assistant has said it
  form.append(...(explained ? [] : [said(note)]), label, row, problem);
  form.onsubmit = async (event) => {
    event.preventDefault();
    try {
      await session({ email: input.value.trim() });
    } catch {
      problem.textContent = T.notKept;
      return;
    }
    show("thanks", said(T.kept));
    $("text").focus();
  };
  return form;
}
