// Text of others as DOM nodes: a small part of Markdown; everything else stays what it is. No markup is ever parsed.

/** An element with a class and a text. */
export function el(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** A button that is no submit. */
export function button(className, text, onclick) {
  const made = el("button", className, text);
  made.type = "button";
  made.onclick = onclick;
  return made;
}

/** A link, or null for anything but http, https and mailto. */
export function link(url, text) {
  let parsed;
  try { parsed = new URL(url); } catch { return null; }
  if (!["https:", "http:", "mailto:"].includes(parsed.protocol)) return null;
  const made = el("a", "", text);
  made.href = parsed.href;
  made.target = "_blank";
  made.rel = "noopener noreferrer nofollow";
  return made;
}

const WEB = /https?:\/\/[^\s<>"]{1,2000}/g;
const INLINE = new RegExp(
  "`([^`\\n]{1,2000})`|\\*\\*([^*\\n]{1,2000})\\*\\*|(?<![\\w*])[*_]([^*_\\n]{1,500})[*_](?![\\w*])"
  + `|\\[([^\\]\\n]{1,300})\\]\\(([^\\s)]{1,2000})\\)|${WEB.source}`, "g");

/** A line of a customer: as it is, with its web addresses as links. */
export function plain(into, text) {
  let at = 0;
  for (const { 0: found, index } of text.matchAll(WEB)) at = address(into, text, at, index, found);
  into.append(text.slice(at));
}

function address(into, text, at, index, found) {
  const url = found.replace(/[.,;:!?)\]}'»”*_]+$/, "");
  into.append(text.slice(at, index), link(url, url) ?? url);
  return index + url.length;
}

function spans(into, text) {
  let at = 0;
  for (const match of text.matchAll(INLINE)) {
    const [whole, code, bold, slanted, label, url] = match;
    if (match.index < at) continue; // inside an address that was cut short
    let made;
    if (code !== undefined) made = el("code", "", code);
    else if (bold !== undefined) plain((made = el("strong")), bold);
    else if (slanted !== undefined) plain((made = el("em")), slanted);
    else if (label !== undefined) made = link(url, label);
    else {
      at = address(into, text, at, match.index, whole);
      continue;
    }
    into.append(text.slice(at, match.index), made ?? whole);
    at = match.index + whole.length;
  }
  into.append(text.slice(at));
}

/** Paragraphs, lists, code, bold, italics and links. */
export function rich(into, text) {
  into.replaceChildren();
  let block = null, kind = "";
  for (const line of text.split("\n")) {
    if (/^\s{0,3}```/.test(line)) {
      block = kind === "pre" ? null : into.appendChild(el("pre"));
      if (block) block.tabIndex = 0;
      kind = block ? "pre" : "";
      continue;
    }
    if (kind === "pre") {
      block.append(`${line}\n`);
      continue;
    }
    const [, mark, item] = /^\s{0,6}([-*•]|\d{1,3}[.)])\s+(.+)/.exec(line) ?? [];
    const wanted = mark ? (/\d/.test(mark) ? "ol" : "ul") : line.trim() ? "p" : "";
    if (wanted !== kind) {
      kind = wanted;
      block = kind ? into.appendChild(el(kind)) : null;
      if (kind === "ol") block.start = parseInt(mark, 10);
    } else if (kind === "p") block.append(el("br"));
    if (mark) spans(block.appendChild(el("li")), item);
    else if (kind) {
      const [, heading] = /^#{1,6}\s+(.+)/.exec(line) ?? [];
      if (heading) plain(block.appendChild(el("strong")), heading);
      else spans(block, line);
    }
  }
}
