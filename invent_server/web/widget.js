// The launcher for other sites: a button, and a panel with the chat page (/embed/INBOX) in a frame of this server.
// <script src="https://SERVER/widget.js" data-inbox="INBOX" async></script>
(() => {
  "use strict";
  const script = document.currentScript;
  const given = { ...script?.dataset };
  if (!given.inbox) return console.error("Invent: widget.js needs data-inbox, the name of a web inbox");
  if (window.Invent) return;

  const BASE = new URL(".", script.src);
  const KEY = `invent.${given.inbox}`;
  const PHONE = matchMedia("(max-width: 30rem), (max-height: 26rem)");
  const CALM = matchMedia("(prefers-reduced-motion: reduce)");
  const accent = /^#?([0-9a-f]{6})$/i.exec(given.accent ?? "")?.[1] ?? "17614f";
  let identity = null;
  for (const [key, from] of [["user_id", "userId"], ["user_hash", "userHash"], ["name", "name"], ["email", "email"]]) {
    if (given[from]) (identity ??= {})[key] = given[from];
  }

  // ---- what the site may do and hear ---------------------------------------------------------------------------------

  const listeners = new Map();
  let ui = null, port = null, frame = null, opened = false, unread = 0, before = null, gone = false;
  const waiting = []; // what was asked before the launcher stood

  const emit = (event, detail) => {
    for (const listener of listeners.get(event) ?? []) {
      try { listener(detail); } catch (error) { console.error(error); }
    }
  };
  const later = (act) => (...args) => (ui ? act(...args) : gone || waiting.push(() => act(...args)));
  window.Invent = {
    open: later(open),
    close: later(close),
    toggle: later(() => (opened ? close() : open())),
    /** {user_id, user_hash, name, email}; null when nobody is signed in. */
    identify(who) {
      identity = who ?? null;
      tell({ type: "identify", identity });
    },
    /** Listen to ready, open, close, message, unread, refused; gives a function that ends it. */
    on(event, listener) {
      if (!listeners.has(event)) listeners.set(event, new Set());
      listeners.get(event).add(listener);
      return () => listeners.get(event).delete(listener);
    },
    get unread() { return unread; },
    /** Take the launcher off the page. */
    destroy() {
      gone = true;
      unread = 0;
      flash();
      ui?.home.remove();
      ui = port = frame = null;
      delete window.Invent;
    },
  };

  const keep = {
    get: (where, key) => { try { return window[where].getItem(key); } catch { return null; } },
    set: (where, key, value) => { try { window[where].setItem(key, value); } catch { /* this page only */ } },
  };

  // ---- the button and the panel, in a shadow of their own ------------------------------------------------------------

  const STYLE = `
:host { all: initial !important; position: fixed !important; z-index: 2147483000 !important; display: block !important;
  bottom: var(--bottom) !important; inset-inline: auto !important; font: 16px/1.4 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif !important; }
:host(.right) { right: var(--side) !important; } :host(.left) { left: var(--side) !important; }
* { box-sizing: border-box; }
button { font: inherit; cursor: pointer; -webkit-tap-highlight-color: transparent; }
.launcher { position: relative; display: flex; align-items: center; justify-content: center; gap: .625rem; min-width: 3.5rem; height: 3.5rem; padding: 0 1rem;
  border: 2px solid #fff; border-radius: 1.75rem; background: var(--accent); color: var(--on); font-weight: 600;
  box-shadow: 0 0 0 1px rgb(0 0 0 / 12%), 0 6px 24px rgb(0 0 0 / 22%); }
.launcher:focus-visible, .back:focus-visible { outline: 3px solid #000; outline-offset: 3px; box-shadow: 0 0 0 6px #fff; }
.launcher svg { flex: none; width: 26px; height: 26px; } .launcher .cross, .launcher[aria-expanded=true] .bubble { display: none; }
.launcher[aria-expanded=true] .cross { display: block; }
.badge { position: absolute; top: -.5rem; inset-inline-end: -.375rem; min-width: 1.5rem; height: 1.5rem; padding: 0 .375rem; border-radius: .75rem;
  background: #b3261e; color: #fff; font-size: .8125rem; line-height: 1.5rem; text-align: center; box-shadow: 0 0 0 2px #fff; }
[hidden] { display: none !important; }
dialog { position: fixed; margin: 0; padding: 0; border: 0; overflow: hidden; background: Canvas; color: CanvasText; color-scheme: var(--scheme);
  bottom: calc(var(--bottom) + 4.5rem); width: 25rem; height: min(44rem, calc(100dvh - var(--bottom) - 6rem)); max-width: none; max-height: none;
  border-radius: 1.125rem; box-shadow: 0 0 0 1px rgb(0 0 0 / 10%), 0 18px 60px rgb(0 0 0 / 28%); }
:host(.right) dialog { left: auto; right: var(--side); } :host(.left) dialog { left: var(--side); right: auto; }
dialog:modal { inset: 0 !important; width: 100%; height: 100dvh; border-radius: 0; box-shadow: none; }
dialog::backdrop { background: Canvas; }
iframe { display: block; width: 100%; height: 100%; border: 0; color-scheme: var(--scheme); }
.lost { display: grid; place-content: center; gap: 1rem; height: 100%; padding: 2rem; text-align: center; } .lost p { margin: 0; }
.back { justify-self: center; padding: .5rem 1.25rem; border: 1px solid; border-radius: 1.5rem; background: none; color: inherit; }
.said { position: absolute; width: 1px; height: 1px; margin: 0; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (prefers-reduced-motion: no-preference) { dialog[open] { animation: rise .16s ease-out; } .launcher { transition: transform .12s; } .launcher:active { transform: scale(.96); } }
@keyframes rise { from { opacity: 0; transform: translateY(.5rem); } }
@media (forced-colors: active) { .launcher, dialog { border: 2px solid; } }
@media print { :host { display: none !important; } }`;

  const make = (name, attributes, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  const drawing = (name, path) => {
    const NS = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(NS, "svg");
    const line = svg.appendChild(document.createElementNS(NS, "path"));
    for (const [key, value] of [["viewBox", "0 0 24 24"], ["class", name], ["aria-hidden", "true"]]) svg.setAttribute(key, value);
    for (const [key, value] of Object.entries({ fill: "none", stroke: "currentColor", "stroke-width": 2, "stroke-linecap": "round", "stroke-linejoin": "round", d: path })) line.setAttribute(key, value);
    return svg;
  };
  const length = (value, usual) => (/^\d{1,4}(\.\d+)?(px|rem|em|vw|vh)$/.test(value ?? "") ? value : usual);

  function build({ title, locale, texts }) {
    const home = make("invent-chat", { class: given.position === "left" ? "left" : "right", lang: locale });
    const root = home.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    const [r, g, b] = [0, 2, 4].map((at) => (parseInt(accent.slice(at, at + 2), 16) / 255) ** 2.2);
    const scheme = { light: "light", dark: "dark" }[given.theme] ?? "light dark";
    for (const [name, value] of Object.entries({
      accent: `#${accent}`, on: 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff", scheme,
      bottom: length(given.bottom, "1.25rem"), side: length(given.side, "1.25rem"),
    })) home.style.setProperty(`--${name}`, value);
    const badge = make("span", { class: "badge", "aria-hidden": "true", hidden: "" });
    const launcher = make("button", { type: "button", class: "launcher", "aria-haspopup": "dialog", "aria-expanded": "false", "aria-label": texts.open },
      drawing("bubble", "M20 11.5a7.5 7.5 0 0 1-11 6.6L4 19.5l1.4-4.3A7.5 7.5 0 1 1 20 11.5Z"), drawing("cross", "M6 6l12 12M18 6 6 18"),
      ...(given.label ? [make("span", { "aria-hidden": "true" }, given.label)] : []), badge);
    if (given.label) texts.open = `${given.label}: ${texts.open}`;
    const dialog = make("dialog", { "aria-label": title });
    const said = make("p", { class: "said", role: "status" });
    root.append(dialog, launcher, said);
    launcher.hidden = given.launcher === "none";
    launcher.onclick = () => (opened ? close() : open());
    dialog.oncancel = (event) => {
      event.preventDefault();
      close();
    };
    root.addEventListener("keydown", (event) => opened && event.key === "Escape" && close());
    PHONE.addEventListener("change", () => opened && show());
    ui = { home, dialog, launcher, badge, said, texts, title, locale };
    document.body.append(home);
    paint();
  }

  // ---- the frame -----------------------------------------------------------------------------------------------------

  function load() {
    if (frame) return;
    const url = new URL(`embed/${encodeURIComponent(given.inbox)}`, BASE);
    url.search = new URLSearchParams({ panel: 1, lang: ui.locale, theme: given.theme ?? "", ...(given.accent ? { accent } : {}) });
    url.hash = new URLSearchParams(identity ?? {}); // who this is: a fragment goes to no server and into no log
    frame = make("iframe", { title: ui.title, referrerpolicy: "strict-origin" });
    frame.onload = () => {
      const channel = new MessageChannel();
      port = null;
      channel.port1.onmessage = ({ data }) => {
        port = channel.port1;
        heard(data);
      };
      frame.contentWindow.postMessage({ invent: "hello", open: opened }, BASE.origin, [channel.port2]);
      setTimeout(() => port || lost(), 8000);
    };
    frame.src = url.href;
    ui.dialog.replaceChildren(frame);
  }

  /** The frame says nothing: this site's own policy forbids it, or the server is away. */
  function lost() {
    if (gone || port) return;
    console.error(`Invent: ${BASE.origin} does not answer in its frame; does this site's policy allow frame-src ${BASE.origin}?`);
    frame = null;
    const back = make("button", { type: "button", class: "back" }, ui.texts.close);
    back.onclick = close;
    ui.dialog.replaceChildren(make("div", { class: "lost" }, make("p", { role: "alert" }, ui.texts.missing), back));
    if (opened) back.focus();
  }

  const tell = (what) => port?.postMessage(what);

  function heard({ type, ...data }) {
    if (type === "ready") emit("ready");
    else if (type === "close") close();
    else if (type === "known") keep.set("localStorage", KEY, "known");
    else if (type === "message") emit("message", data);
    else if (type === "unread" && data.count !== unread) {
      const more = data.count > unread;
      unread = data.count;
      paint();
      if (more && !opened) ui.said.textContent = words();
      emit("unread", unread);
    }
  }

  // ---- open and closed -----------------------------------------------------------------------------------------------

  function show() {
    if (ui.dialog.open) ui.dialog.close();
    if (PHONE.matches) ui.dialog.showModal();
    else ui.dialog.show();
    frame?.focus();
  }

  function open() {
    if (opened) return;
    opened = true;
    before = document.activeElement;
    load();
    show();
    tell({ type: "open" });
    paint();
    keep.set("sessionStorage", KEY, "open");
    emit("open");
  }

  function close() {
    if (!opened) return;
    opened = false;
    ui.dialog.close();
    tell({ type: "shut" });
    paint();
    (ui.launcher.hidden ? before : ui.launcher)?.focus?.();
    keep.set("sessionStorage", KEY, "");
    emit("close");
  }

  // ---- what is unread: on the button, and in the title while the tab is hidden ----------------------------------------

  const words = () => (unread === 1 ? ui.texts.one : ui.texts.many.replace("{count}", unread));

  function paint() {
    ui.launcher.setAttribute("aria-expanded", opened);
    ui.launcher.setAttribute("aria-label", opened ? ui.texts.close : unread ? `${ui.texts.open}, ${words()}` : ui.texts.open);
    ui.badge.hidden = opened || !unread;
    ui.badge.textContent = unread > 99 ? "99+" : unread;
    if (opened || !unread) ui.said.textContent = "";
    flash();
  }

  let blinking = 0, shown = null, own = "";

  function flash() {
    clearInterval(blinking);
    if (shown !== null && document.title === shown) document.title = own;
    shown = null;
    if (!unread || !document.hidden || !ui) return;
    let news = false;
    const turn = () => {
      if (document.title !== shown) own = document.title; // the site has changed it meanwhile
      news = !news;
      shown = document.title = news ? `(${unread}) ${words()}` : own;
    };
    turn();
    if (!CALM.matches) blinking = setInterval(turn, 1500);
  }
  document.addEventListener("visibilitychange", flash);

  // ---- begin: the server says whether this site may show the chat ----------------------------------------------------

  async function ask() {
    const url = new URL(`web/${encodeURIComponent(given.inbox)}/widget`, BASE);
    if (given.locale) url.searchParams.set("lang", given.locale);
    for (let wait = 4000; !gone; wait *= 4) {
      const answer = await fetch(url, { credentials: "omit", cache: "no-store" }).catch(() => null);
      if (answer?.ok) return answer.json();
      if (answer && answer.status < 500 && answer.status !== 429) {
        const reason = answer.status === 403 ? `${location.origin} is not in its allowed_origins` : "there is no such web inbox, or it is disabled";
        console.error(`Invent: no chat here, ${given.inbox}: ${reason}`);
        emit("refused", { status: answer.status });
        return null;
      }
      await new Promise((resolve) => setTimeout(resolve, wait * (0.5 + Math.random())));
    }
    return null;
  }

  async function begin() {
    const found = await ask();
    if (!found || gone) return;
    build(found);
    for (const act of waiting.splice(0)) act();
    if (given.open === "true" || (!PHONE.matches && keep.get("sessionStorage", KEY) === "open")) open();
    else if (keep.get("localStorage", KEY)) load(); // somebody who has written may have an answer waiting
  }

  if (document.body) begin();
  else addEventListener("DOMContentLoaded", begin);
  document.dispatchEvent(new CustomEvent("invent:ready", { detail: window.Invent }));
})();
