// Text of others as DOM nodes: bold, lists, links; everything else stays what it is. No markup is ever parsed.

/** An element with a class and a text. */
export function el(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** A link, or null for anything but http and https. */
export function link(url, text) {
  let parsed;
  try { parsed = new URL(url); } catch { return null; }
  if (parsed.protocol !== "https:" && parsed.protocol !== "http:") return null;
  const made = el("a", "", text);
  made.href = parsed.href;
  made.target = "_blank";
  made.rel = "noopener noreferrer nofollow";
  return made;
}

const WEB = /https?:\/\/[^\s<>"]{1,2000}/g;
const INLINE = /\*\*([^*\n]{1,2000})\*\*|\[([^\]\n]{1,300})\]\(([^\s)]{1,2000})\)|https?:\/\/[^\s<>"]{1,2000}/g;

/** A line of a customer: as it is, with its web addresses as links. */
export function plain(into, text) { spans(into, text, WEB); }

function spans(into, text, pattern) {
  let at = 0;
  for (const match of text.matchAll(pattern)) {
    let [whole, bold, label, url] = match;
    let made;
    if (bold !== undefined) spans((made = el("strong")), bold, WEB);
    else if (label !== undefined) made = link(url, label);
    else {
      whole = whole.replace(/[.,;:!?)\]}'»”*]+$/, "");
      made = link(whole, whole);
    }
    into.append(text.slice(at, match.index), made ?? whole);
    at = match.index + whole.length;
  }
  into.append(text.slice(at));
}

/** Paragraphs, lists, bold and links of a small part of Markdown. */
export function rich(into, text) {
  into.replaceChildren();
  let block = null, kind = "";
  for (const line of text.split("\n")) {
    const [, mark, item] = /^\s{0,6}([-*•]|\d{1,3}[.)])\s+(.+)/.exec(line) ?? [];
    const wanted = mark ? (/\d/.test(mark) ? "ol" : "ul") : line.trim() ? "p" : "";
    if (wanted !== kind) {
      kind = wanted;
      block = kind ? el(kind) : null;
      if (block) into.append(block);
      if (kind === "ol") block.start = parseInt(mark, 10);
    } else if (kind === "p") block.append(el("br"));
    if (mark) {
      const row = el("li");
      spans(row, item, INLINE);
      block.append(row);
    } else if (kind) {
      const [, heading] = /^#{1,6}\s+(.+)/.exec(line) ?? [];
      if (heading) spans(block.appendChild(el("strong")), heading, WEB);
      else spans(block, line, INLINE);
    }
  }
}
