// Files: chosen, dropped or pasted, uploaded at once, sent with the next message; those of messages, to be downloaded.

import { T, ready, request, session } from "./line.js";
import { button, el } from "./text.js";

const MOST = 10;
const PICTURES = ["image/png", "image/jpeg", "image/gif", "image/webp"];
const SMALL = 5e6; // bytes up to which a picture is shown unasked
const SIZES = ["byte", "kilobyte", "megabyte", "gigabyte"];
const $ = (id) => document.getElementById(id);
const [chips, picker, told] = ["chips", "picker", "told"].map($);
const waiting = []; // {chip, file?, stored}

let changed = () => {};

/** Watch for files; `onchange` is called when what waits has changed. */
export function watch(onchange) {
  changed = onchange;
  $("attach").onclick = () => picker.click();
  picker.onchange = () => {
    add(picker.files);
    picker.value = "";
  };
  $("text").addEventListener("paste", (event) => {
    const found = event.clipboardData?.files;
    if (!found?.length) return;
    event.preventDefault();
    add(found);
  });
  let inside = 0; // dragenter and dragleave come for each element that is crossed
  const drop = (hide) => { $("drop").hidden = hide; };
  const files = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => files(event) && ++inside && drop(false));
  addEventListener("dragleave", (event) => files(event) && (inside = Math.max(0, inside - 1)) === 0 && drop(true));
  addEventListener("dragover", (event) => files(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!files(event)) return;
    event.preventDefault();
    inside = 0;
    drop(true);
    add(event.dataTransfer.files);
  });
}

export const uploading = () => waiting.some((one) => !one.stored);
export const any = () => waiting.length > 0;

/** The uploaded files; they leave the composer. */
export function taken() {
  const stored = waiting.splice(0).map((one) => one.stored);
  chips.replaceChildren();
  chips.hidden = true;
  return stored;
}

function add(files) {
  tell("");
  for (const file of files) {
    if (waiting.length >= MOST) return tell(T.tooMany);
    upload(file);
  }
}

async function upload(file) {
  const chip = el("li", "chip");
  const one = { chip, stored: null };
  const remove = () => {
    waiting.splice(waiting.indexOf(one), 1);
    chip.remove();
    chips.hidden = !waiting.length;
    changed();
    $("text").focus();
  };
  const away = button("", "×", remove);
  away.setAttribute("aria-label", T.remove.replace("{name}", file.name));
  const state = el("small", "", T.uploading);
  chip.append(el("span", "", file.name || "file"), state, away);
  waiting.push(one);
  chips.append(chip);
  chips.hidden = false;
  changed();
  try {
    if (!ready()) await session();
    const form = new FormData();
    form.append("file", file, file.name || "file");
    one.stored = await (await request("files", { form, seconds: 180 })).json();
    state.textContent = size(one.stored.size);
    changed();
  } catch (error) {
    if (!waiting.includes(one)) return;
    const limit = size(Number(document.body.dataset.most));
    const text = error.status === 413 ? T.tooLarge.replace("{size}", limit) : T.notTaken;
    remove();
    tell(text.replace("{name}", file.name));
  }
}

function tell(text) {
  told.textContent = text;
}

function size(bytes) {
  const step = Math.min(SIZES.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const digits = { maximumFractionDigits: bytes / 1000 ** step < 10 && step ? 1 : 0 };
  return new Intl.NumberFormat(T.lang, { style: "unit", unit: SIZES[step], unitDisplay: "short", ...digits })
    .format(bytes / 1000 ** step);
}

// ---- files of messages: fetched with the session's token, so never by address alone ---------------------------------

/** What stands for files in the thread: a button that downloads; pictures are shown. */
export function attachments(list) {
  if (!list.length) return [];
  const all = el("ul", "files");
  for (const file of list) {
    const open = button("file", undefined, () => download(file, open));
    open.append(el("span", "name", file.name), el("small", "", size(file.size)));
    open.setAttribute("aria-label", `${T.download.replace("{name}", file.name)}, ${size(file.size)}`);
    all.appendChild(el("li")).append(open);
    if (PICTURES.includes(file.type) && file.size <= SMALL) preview(file, open);
  }
  return [all];
}

const content = async ({ id }) => (await request(`files/${encodeURIComponent(id)}`, { seconds: 180 })).blob();

async function preview(file, open) {
  try {
    const url = URL.createObjectURL(await content(file));
    const picture = el("img");
    picture.alt = "";
    picture.onload = () => URL.revokeObjectURL(url);
    picture.onerror = () => picture.remove();
    picture.src = url;
    open.prepend(picture);
  } catch { /* its name is there */ }
}

async function download(file, open) {
  try {
    const url = URL.createObjectURL(new Blob([await content(file)], { type: "application/octet-stream" }));
    const save = el("a");
    save.href = url;
    save.download = file.name;
    save.click();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
  } catch {
    open.querySelector("small").textContent = T.gone;
  }
}
