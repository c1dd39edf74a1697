// The site around the page, when it is framed by widget.js: one private port, given by the window that frames this one.

const framed = window.parent !== window;
const options = new URLSearchParams(location.search);
let port = null;
let heard = () => {};

/** Is this the panel of a launcher? Then it is closed at first, and has a button to close it. */
export const panel = framed && options.has("panel");

/** Listen to the launcher. `onheard({type, ...})`: open, close, identify. */
export function listen(onheard) {
  heard = onheard;
  addEventListener("message", (event) => {
    // frame-ancestors lets only allowed sites frame this page; of those only the one that does may speak, once.
    if (!panel || port || event.source !== window.parent || event.data?.invent !== "hello" || !event.ports[0]) return;
    [port] = event.ports;
    port.onmessage = ({ data }) => heard(data);
    heard(event.data);
    tell({ type: "ready" });
  });
}

/** Tell the launcher something. */
export const tell = (what) => port?.postMessage(what);

/** Who the site says this is: in the address's fragment, which no server sees. */
export function identity() {
  const given = new URLSearchParams(location.hash.slice(1));
  const found = {};
  for (const key of ["user_id", "user_hash", "name", "email"]) if (given.get(key)) found[key] = given.get(key);
  if (!framed && Object.keys(found).length) history.replaceState(null, "", location.pathname + location.search);
  return Object.keys(found).length ? found : null;
}

/** Somebody frames the page and has named nobody: whoever was known before is signed out. */
export const signsOut = framed;

/** The site's own colour; text on it is black or white, whichever is easier to read. */
export function paint() {
  const accent = /^[0-9a-f]{6}$/i.exec(options.get("accent") ?? "")?.[0];
  if (!accent) return;
  const [r, g, b] = [0, 2, 4].map((at) => {
    const part = parseInt(accent.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  const light = 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179;
  const { style } = document.documentElement;
  for (const name of ["accent", "own"]) {
    style.setProperty(`--${name}`, `#${accent}`);
    style.setProperty(`--on-${name}`, light ? "#000000" : "#ffffff");
  }
  style.setProperty("--focus", "var(--ink)");
}
