/** The page: what is shown, how one gets there, and which keys do what. */

import { ask, attempt, child, commands, Live, photos, written } from "./api.js";
import { Bar, parse } from "./bar.js";
import { Duplicates } from "./duplicates.js";
import { Grid, Scrubber } from "./grid.js";
import { PhotoMap } from "./map.js";
import { Panel } from "./panel.js";
import { Results, Timeline } from "./sources.js";
import { Status } from "./status.js";
import { html, render } from "./vendor/lit-html.js";
import { Viewer } from "./viewer.js";

const RETRY_MS = 2000;

const byId = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const box = byId("grid");
const dialog = /** @type {HTMLDialogElement} */ (byId("dialog"));

/** @type {Scene} */
let scene = fresh();
/** Pictures that scenes are searched by, base64; the last one outlives a reload. @type {Map<number, string>} */
const pictures = new Map();
/** Matches that came while a photo was looked at. @type {any[]} */
const waiting = [];
/** @type {AbortController | null} */
let searching = null;
let noticeTimer = 0;
let outdated = false; // the library has changed while a photo was looked at
let arrived = false; // at the scene
let remembering = 0;

const grid = new Grid(box, {
  open: (index) => openViewer(index),
  moved: (top, most) => scrubber.show(top, most),
  selected: () => drawSelection(),
});
const scrubber = new Scrubber(byId("scrubber"), grid);
const panel = new Panel(byId("panel"), {
  like: (id) => go({ ...fresh(), query: `#${id}` }),
  filter: (filters) => go({ ...fresh(), filters }),
  say: notice,
  close: () => togglePanel(false),
});
const viewer = new Viewer({
  shown: (index, id) => {
    scene.viewing = index;
    remember();
    void panel.show(id);
  },
  closed: (index) => closedViewer(index),
  about: () => togglePanel(),
});
const bar = new Bar(byId("bar"), {
  search: (query, refined) => go({ ...scene, view: "photos", query, literal: undefined }, refined),
  literally: (literal) => go({ ...scene, literal }),
  filter: (filters) => go({ ...scene, view: "photos", filters }),
  order: (order) => go({ ...scene, order }),
  view: (view) => {
    go({ ...fresh(), view });
    box.focus();
  },
  noPicture: () => go({ ...scene, picture: undefined }),
});
const duplicates = new Duplicates(byId("view"), notice);
const map = new PhotoMap(byId("view"), {
  photos: (area) => go({ ...fresh(), filters: { box: area } }),
  moved: () => remember(),
});
const status = new Status(byId("view"), { say: notice, known: (state) => live.known(state) });
const live = new Live({
  status: (told) => {
    bar.status(told);
    if (scene.view === "status") status.show(told);
  },
  changed: () => {
    void refreshed();
    if (scene.view === "status") void attempt(notice, () => status.open());
  },
  match: matched,
  lost: (why) => {
    notice(why, true);
    bar.status(null);
  },
  back: () => {
    notice("");
    if (!arrived) void load(true);
    if (grid.source instanceof Results) grid.source.again();
    grid.retry();
  },
});

/** @param {any} hit */
function matched(hit) {
  const source = grid.source;
  if (viewer.open) waiting.push(hit);
  else if (source instanceof Results && scene.order === "score" && source.prepend(hit)) {
    grid.refresh(1);
    bar.counted(source);
    byId("view").hidden = true;
    notice("A new photo matches");
  }
}

/** @returns {Scene} */
function fresh() {
  return { view: "photos", query: "", filters: {}, order: "score" };
}

/** Keep in the history where we are, once we are there. */
function remember() {
  clearTimeout(remembering);
  if (!arrived) return;
  const { scrollTop: scrolled } = byId("view");
  const left = { place: grid.place, spot: map.spot, group: duplicates.at, panel: panel.shown, scrolled };
  history.replaceState({ ...scene, ...left }, "");
}

/** @param {Scene} next Show something else; Back returns to where we are now. @param {boolean} [instead] not to here */
function go(next, instead) {
  if (!instead) remember();
  if (viewer.open) {
    leaving = true;
    viewer.close();
    leaving = false;
  }
  scene = { ...next, place: undefined, viewing: undefined };
  history[instead ? "replaceState" : "pushState"](scene, "", addressOf(scene));
  void load();
}
let leaving = false;

/** @param {Scene} of */
function addressOf(of) {
  const fields = new URLSearchParams();
  if (of.view !== "photos") fields.set("view", of.view);
  if (of.query) fields.set("q", of.query);
  if (Object.keys(of.filters).length) fields.set("filters", JSON.stringify(of.filters));
  return fields.size ? `#${fields}` : location.pathname;
}

/** @param {boolean} [again] unasked */
async function load(again) {
  arrived = false;
  searching?.abort();
  const asked = new AbortController();
  searching = asked;
  waiting.length = 0;
  live.follow(null);
  bar.show(scene, scene.picture !== undefined);
  const isGrid = scene.view === "photos";
  byId("view").hidden = isGrid;
  box.hidden = !isGrid;
  for (const view of [duplicates, map]) view.visible = false;
  try {
    if (!isGrid) {
      if (!again || document.activeElement === document.body) byId("view").focus();
      scrubber.box.hidden = true;
    }
    const source = await (isGrid ? sourceOf(scene, asked.signal) : scene.view === "map" ? map.show(scene.spot)
      : scene.view === "duplicates" ? duplicates.show(scene.group) : status.open());
    if (asked.signal.aborted) return;
    notice("");
    if (!source) {
      byId("view").scrollTop = scene.scrolled ?? 0;
      arrived = true;
      return;
    }
    if (source instanceof Results) source.onfail = (why) => grid.source === source && notice(why, true, () => source.again());
    grid.show(source, scene.place);
    arrived = true;
    const told = () => {
      if (grid.source !== source) return;
      scrubber.use(source);
      bar.counted(source);
    };
    told();
    if (source instanceof Timeline) void source.whole.then(told, told);
    tellIfEmpty(source);
    if (scene.viewing !== undefined && !viewer.open) {
      panel.box.hidden = !scene.panel;
      openViewer(scene.viewing, true);
    }
    if (document.activeElement === document.body) box.focus({ preventScroll: true });
  } catch (error) {
    if (asked.signal.aborted) return;
    byId("view").hidden = true;
    notice(error.message, true, () => void load());
    if (error.status === 503) setTimeout(() => !asked.signal.aborted && void load(true), RETRY_MS);
  }
}

/** @param {Scene} of */
function pictureOf(of) {
  return pictures.get(of.picture ?? 0) ?? sessionStorage.getItem(`${of.picture}`);
}

/** @param {Scene} of @param {AbortSignal} signal */
async function sourceOf(of, signal) {
  const { text, terms } = parse(of.query);
  const data = pictureOf(of);
  if (data) terms.push({ data });
  else if (of.picture) throw new Error("The picture is not here any more: paste or drop it again");
  if (!text && !terms.length) return new Timeline(of.filters).open(!of.place);
  const request = { text, terms, filters: of.filters, order: of.order, ...of.literal };
  const { index = 0, active = 0 } = of.place ?? {};
  const found = await new Results(request).open(signal, Math.max(index, active, of.viewing ?? 0));
  live.follow(request);
  return found;
}

/** The library has changed: take in what is new, and stay where we are. */
async function refreshed() {
  map.refresh();
  const source = grid.source;
  outdated = viewer.open;
  if (!(source instanceof Timeline) || viewer.open || scene.view !== "photos") return;
  try {
    await source.whole;
    const next = await new Timeline(source.filters).open(false);
    if (next.clock === source.clock) return;
    const { index } = grid.place;
    const [top, active] = await Promise.all([index, grid.active].map((at) => at && next.placeOf(source, at)));
    const place = grid.place;
    // somebody is at work: the next change brings it
    if (grid.source !== source || grid.chosen.size || viewer.open || place.index !== index) return;
    grid.show(next, { ...place, index: top, active });
    scrubber.use(next);
    bar.counted(next);
    tellIfEmpty(next);
  } catch { /* the next change, or the reader of events, tells */ }
}

/** @param {Source} source */
function tellIfEmpty({ length }) {
  byId("view").hidden = length > 0;
  if (length) return;
  const filtered = Object.keys(scene.filters).length || bar.results?.answer.understood;
  render(written(filtered ? "no-hits" : "no-photos"), byId("view"));
}

/** @param {number} index @param {boolean} [again] it is in the history already */
function openViewer(index, again) {
  if (!grid.source?.length) return;
  if (!again) {
    remember();
    scene = { ...scene, viewing: index };
    history.pushState(scene, "");
  }
  viewer.show(grid.source, Math.min(index, grid.source.length - 1));
}

/** @param {number} index */
function closedViewer(index) {
  if (leaving) return;
  panel.box.hidden = true;
  if (grid.seen(index) > 0.99) grid._activate(index);
  else grid.reveal(index);
  box.focus();
  for (const hit of waiting.splice(0)) matched(hit);
  if (outdated) void refreshed();
  if (scene.viewing !== undefined) {
    scene.viewing = undefined;
    clearTimeout(remembering); // Forward opens it again
    history.back();
  }
}

/** @param {boolean} [wanted] */
function togglePanel(wanted) {
  panel.box.hidden = wanted === undefined ? panel.shown : !wanted;
  viewer.resized();
  if (panel.shown) void panel.show(panel.id);
  else if (viewer.open) viewer.swipe.element.focus();
}

addEventListener("popstate", (event) => {
  const next = /** @type {Scene | null} */ (event.state) ?? sceneOf(location.hash);
  const same = keyOf(next) === keyOf(scene);
  const viewing = next.viewing;
  if (viewer.open && viewing === undefined) {
    scene = { ...next };
    viewer.close();
    if (same) return;
  }
  scene = { ...next };
  if (same && grid.source && scene.view === "photos") {
    if (viewing !== undefined) openViewer(viewing, true);
    return;
  }
  void load();
  if (scene.view === "photos") box.focus();
});

/** @param {Scene} of */
function keyOf({ view, query, order, picture, filters, literal }) {
  return JSON.stringify([view, query, order, picture, filters, literal]);
}

/** @param {string} hash @returns {Scene} */
function sceneOf(hash) {
  const fields = new URLSearchParams(hash.slice(1));
  const view = fields.get("view");
  let filters = {};
  try {
    filters = JSON.parse(fields.get("filters") ?? "{}");
  } catch { /* somebody's own address: no filters */ }
  return {
    ...fresh(),
    view: view === "map" || view === "duplicates" || view === "status" ? view : "photos",
    query: fields.get("q") ?? "",
    filters,
  };
}

function drawSelection() {
  const count = grid.chosen.size;
  byId("selection").hidden = !count;
  byId("selected").textContent = `${count.toLocaleString()} selected`;
}
addEventListener("click", (event) => {
  const { key } = /** @type {HTMLElement} */ (event.target).dataset;
  if (key) pageKey(key)?.();
});
byId("close").onclick = () => void closePage();

async function selectedIds() {
  const indexes = grid.chosen.size ? [...grid.chosen] : [grid.active];
  const items = await Promise.all(indexes.slice(0, 10_000).map((index) => grid.source?.get(index)));
  return items.filter((item) => item !== undefined).map((item) => item.id);
}

async function tagSelected() {
  const typed = await prompted("Tags for these photos", "holiday, family; -tag takes one away", "Tag");
  if (!typed) return;
  const words = typed.split(",").map((word) => word.trim()).filter(Boolean);
  const remove = words.filter((word) => word.startsWith("-")).map((word) => word.slice(1));
  const add = words.filter((word) => !word.startsWith("-"));
  await attempt(notice, async () => {
    const ids = await selectedIds();
    for (let i = 0; i < ids.length; i += 1000) {
      await ask("POST", "/v1/tags", { ids: ids.slice(i, i + 1000), add, remove });
    }
    notice(`Tagged ${photos(ids.length)}`);
  });
}

/** @param {number} stars */
async function rateSelected(stars) {
  await attempt(notice, async () => {
    const ids = await selectedIds();
    for (const id of ids) await ask("PATCH", `/v1/images/${id}/metadata`, { rating: stars || null });
    notice(ids.length > 1 ? `Rated ${photos(ids.length)}` : stars ? `Rated ${stars} of 5` : "No rating");
  });
}

async function likeSelected() {
  const ids = await selectedIds();
  if (ids.length) go({ ...fresh(), query: ids.slice(0, 8).map((id) => `#${id}`).join(" ") });
}

/** @param {string} text @param {boolean} [stays] @param {Act} [again] */
function notice(text, stays, again) {
  const place = byId("notice");
  const act = () => {
    notice("");
    again?.();
  };
  render([text, again ? html`<button @click=${act}>Try again</button>` : ""], place);
  place.classList.toggle("shown", Boolean(text));
  clearTimeout(noticeTimer);
  if (text && !stays) noticeTimer = setTimeout(() => place.classList.remove("shown"), 3500);
}

/** @param {string} title @param {string} hint @param {string} done @returns {Promise<string>} */
function prompted(title, hint, done) {
  return new Promise((resolve) => {
    const field = /** @type {HTMLInputElement} */ (byId("answer"));
    byId("question").textContent = title;
    byId("done").textContent = done;
    field.placeholder = hint;
    field.value = "";
    dialog.onclose = () => {
      resolve(dialog.returnValue && field.value.trim());
      if (!viewer.open) box.focus();
    };
    dialog.returnValue = "";
    dialog.showModal();
  });
}

function help() {
  /** @type {HTMLDialogElement} */ (byId("help")).showModal();
}

async function goToDate() {
  if (!(grid.source instanceof Timeline)) return;
  const typed = await prompted("Go to a date", "2023, 2023-05", "Go");
  const date = /^\s*(\d{4})(?:-(\d{1,2}))?/.exec(typed);
  if (date) grid.jump(grid.source.find(date[2] ? `${date[1]}-${date[2].padStart(2, "0")}` : date[1]));
  else if (typed) notice("Dates are like 2023 or 2023-05");
}

async function closePage() {
  live.stop();
  await ask("POST", "/close").catch(() => {});
  document.body.replaceChildren(written("closed"));
  child(document, "code").textContent = `${commands.imgvec} browse`;
}

addEventListener("keydown", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open], :popover-open")) return;
  if (target.matches("input, textarea, select")) {
    if (event.key === "Escape" && !viewer.open) box.focus();
    return;
  }
  const key = event.key === "=" ? "+" : event.key; // one key, with Shift or without
  const shown = scene.view === "map" ? map : scene.view === "duplicates" ? duplicates : null;
  const act = shown?.key(key) ?? (viewer.open ? viewerKey(key) : pageKey(key));
  if (act) {
    event.preventDefault();
    act();
  }
});

/** @param {string} key @returns {Act | undefined} */
function viewerKey(key) {
  const keys = /** @type {Keys} */ ({
    Escape: () => viewer.close(),
    // while it opens
    ArrowLeft: () => viewer.step(-1),
    ArrowRight: () => viewer.step(1),
    "+": () => viewer.zoom(1.5),
    "-": () => viewer.zoom(1 / 1.5),
    i: () => togglePanel(),
    s: () => go({ ...fresh(), query: `#${panel.id}` }),
    t: () => {
      togglePanel(true);
      requestAnimationFrame(() => document.getElementById("new-tag")?.focus());
    },
    Home: () => viewer.step(-Infinity),
    End: () => viewer.step(Infinity),
    PageDown: () => viewer.step(10),
    PageUp: () => viewer.step(-10),
    "?": help,
  });
  if (/^[0-5]$/.test(key)) return () => void panel.rate(Number(key));
  return keys[key];
}

/** @param {string} key @returns {Act | undefined} */
function pageKey(key) {
  const keys = /** @type {Keys} */ ({
    "/": () => {
      bar.field.focus();
      bar.field.select();
    },
    "?": help,
    m: () => go({ ...fresh(), view: "map" }),
    d: () => go({ ...fresh(), view: "duplicates" }),
    Escape: () => {
      if (grid.chosen.size) grid.unselect();
      else if (scene.view !== "photos" || scene.query || scene.picture || Object.keys(scene.filters).length) history.back();
    },
  });
  if (scene.view === "photos" && grid.source?.length) {
    keys.s = () => void likeSelected();
    keys.t = () => void tagSelected();
    keys.g = () => void goToDate();
    keys.i = () => {
      panel.box.hidden = false;
      openViewer(grid.active);
    };
    if (/^[0-5]$/.test(key)) return () => void rateSelected(Number(key));
  }
  return keys[key];
}

/** @param {string} data base64 */
function withPicture(data) {
  const picture = Date.now();
  pictures.set(picture, data);
  sessionStorage.clear();
  try {
    sessionStorage.setItem(`${picture}`, data);
  } catch { /* a large one is gone at a reload */ }
  return { ...fresh(), picture };
}

/** @param {any} event */
function takeIn(event) {
  const { files, types } = event.clipboardData ?? event.dataTransfer;
  if (types.includes("Files") || !event.target.matches?.("input, textarea")) event.preventDefault();
  const file = files[0];
  if (!file) return;
  const reader = new FileReader();
  reader.onload = () => go(withPicture(`${reader.result}`.split(",")[1]));
  reader.onerror = () => notice(`${file.name} is no picture`);
  reader.readAsDataURL(file);
}
for (const kind of ["paste", "dragover", "drop"]) addEventListener(kind, takeIn);

async function begin() {
  history.scrollRestoration = "manual";
  panel.box.hidden = true;
  scene = /** @type {Scene | null} */ (history.state) ?? sceneOf(location.hash);
  try {
    const start = await ask("GET", "/start");
    if (start.like) scene = withPicture(start.like);
    if (start.query) scene = { ...scene, view: "photos", query: start.query };
    byId("close").hidden = !start.closes;
    document.body.classList.toggle("member", !start.owner);
    commands.imgvec = start.imgvec;
  } catch { /* the first thing that is asked for says why */ }
  history.replaceState(scene, "", addressOf(scene));
  live.start();
  // Pages that were left keep their connections, of which there are six.
  addEventListener("pagehide", () => live.stop());
  for (const kind of ["keyup", "click", "scroll"]) {
    // at a reload it is too late
    addEventListener(kind, () => {
      clearTimeout(remembering);
      remembering = setTimeout(remember, 200);
    }, true);
  }
  addEventListener("pageshow", (event) => event.persisted && live.start());
  await load();
}
void begin();
