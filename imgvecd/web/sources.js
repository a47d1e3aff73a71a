/** What a grid shows: the timeline, or the hits of a search. */

import { ask, splitPath, withFields } from "./api.js";
import { lastNotAbove } from "./layout.js";

const MONTH = new Intl.DateTimeFormat(undefined, { month: "long", year: "numeric", timeZone: "UTC" });
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeZone: "UTC" });
const PAGE = 100;
const HEAD = 60; // photos that are shown before it is known what comes after them
const PART = 256; // photos of a month that are read at once
const PARTS = 200; // that are kept
const BANDS = /** @type {Record<string, string>} */ ({
  found: "Found",
  weaker: "Weaker",
  nearest: "Nothing fits; this comes nearest",
  untold: "Nearest first",
});

/** @param {string} text base64 */
function bytes(text) {
  const raw = atob(text);
  const found = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) found[i] = raw.charCodeAt(i);
  return found;
}

/** @param {number | null | undefined} width @param {number | null | undefined} height */
export function shapeOf(width, height) {
  if (!width || !height) return 128;
  if (width <= height) return Math.max(1, Math.round((128 * width) / height));
  return Math.min(255, 256 - Math.round((128 * height) / width));
}

/** Every photo that passes the filters, newest first. */
export class Timeline {
  /** @param {Filters} filters */
  constructor(filters) {
    this.filters = filters;
    /** @type {Uint8Array} */
    this.shapes = new Uint8Array();
    /** @type {Section[]} */
    this.sections = [];
    this.clock = "";
    this.complete = true;
    /** The first photos, until more is known of them. @type {Item[]} */
    this._head = [];
    /** Ends when everything is known. */
    this.whole = Promise.resolve();
    /** @type {Act} */
    this.onload = () => {};
    /** Of the sections. @type {number[]} */
    this._starts = [];
    /** Parts of months, by the index of their first photo. @type {Map<number, Answer>} */
    this._loaded = new Map();
    /** @type {Map<number, Promise<void>>} */
    this._loading = new Map();
  }

  get length() {
    return this.shapes.length;
  }

  /** Read the months and shapes. @param {boolean} [quick] the first photos will do, the rest may follow */
  async open(quick) {
    const whole = ask("GET", withFields("/v1/timeline", { filters: this.filters }));
    const head = quick ? ask("GET", withFields("/v1/images", { filters: this.filters, order: "newest", limit: HEAD })) : whole;
    const first = await Promise.race([whole, head]);
    if (!first.images) this._take(first, bytes(first.shapes));
    else {
      this._begin(first.images);
      this.whole = whole.then((found) => {
        this._take(found, bytes(found.shapes));
        this.complete = true;
        this.onload();
      });
      this.whole.catch(() => {}); // the reader of events tells
    }
    return this;
  }

  /** @param {any[]} images the first ones */
  _begin(images) {
    /** @type {Answer["months"]} */
    const months = [];
    this._head = images.map(({ id, hash, taken_at: taken = "" }) => {
      const month = taken.slice(0, 7) || "undated";
      if (months[months.length - 1]?.month !== month) months.push({ month, count: 0 });
      months[months.length - 1].count++;
      return { id, hash: hash.slice(0, 16), label: dayOf(month, Number(taken.slice(8, 10))) };
    });
    this.complete = false;
    this._take({ months, clock: "" }, Uint8Array.from(images, (image) => shapeOf(image.width, image.height)));
  }

  /** @param {Pick<Answer, "months" | "clock">} found @param {Uint8Array} shapes */
  _take(found, shapes) {
    this.clock = found.clock;
    let start = 0;
    this.sections = found.months.map(({ month, count }) => {
      const section = { start, title: titleOf(month), month };
      start += count;
      return section;
    });
    this._starts = this.sections.map((section) => section.start);
    this.shapes = shapes;
  }

  /** @param {number} index @returns {Item | undefined} */
  at(index) {
    const { month, start, place } = this._partOf(index);
    const columns = this._loaded.get(index - place);
    if (!columns) {
      if (this.complete) this._load(index - place, month, start);
      return this._head[index];
    }
    if (place >= columns.ids.length) return undefined;
    const label = dayOf(month, columns.days[place]);
    return { id: columns.ids[place], hash: columns.hashes[place], label };
  }

  /** @param {number} index Return the photo, once it is known. */
  async get(index) {
    const known = this.at(index);
    if (known) return known;
    const { month, start, place } = this._partOf(index);
    await this._load(index - place, month, start);
    return this.at(index);
  }

  /** @param {number} index Return its month, where its part of that begins, and its place there. */
  _partOf(index) {
    const at = lastNotAbove(this._starts, index, this._starts.length);
    const within = index - this._starts[at];
    const place = within % PART;
    return { month: this.sections[at].month, start: within - place, place };
  }

  /** @param {string} month "2023-05", or the beginning of it; the place of its first photo */
  find(month) {
    const place = this.sections.findIndex((each) => each.month <= `${month}~` && each.month !== "undated");
    return place < 0 ? this.length - 1 : this._starts[place];
  }

  /** @param {Timeline} was an earlier state of it @param {number} index Return where that photo is now. */
  async placeOf(was, index) {
    const id = was.at(index)?.id;
    const { month } = was._partOf(index);
    const guess = index + this.find(month) - was.find(month);
    const far = Math.abs(this.length - was.length);
    for (let by = 0; by <= far; by++) {
      for (const at of [guess + by, guess - by]) if (this.shapes[at] && (await this.get(at))?.id === id) return at;
    }
    return guess;
  }

  /** @param {number} first index of a part @param {string} month @param {number} start of the part in it */
  _load(first, month, start) {
    let loading = this._loading.get(first);
    if (!loading) {
      loading = ask("GET", withFields(`/v1/timeline/${month}`, { filters: this.filters, start, limit: PART })).then(
        (columns) => {
          this._loaded.set(first, columns);
          for (const oldest of this._loaded.keys()) {
            if (this._loaded.size <= PARTS) break;
            this._loaded.delete(oldest);
          }
          this.onload();
        },
        () => {},
      ).finally(() => this._loading.delete(first));
      this._loading.set(first, loading);
    }
    return loading;
  }
}

/** The hits of one search; more of them come as they are looked at. */
export class Results {
  /** @param {Fields} request */
  constructor(request) {
    this.request = request;
    this.shapes = new Uint8Array();
    /** @type {Section[]} */
    this.sections = [];
    /** @type {Act} */
    this.onload = () => {};
    /** Told why no more comes. @type {Say} */
    this.onfail = () => {};
    /** What came with the first hits. @type {any} */
    this.answer = null;
    /** @type {any[]} */
    this.hits = [];
    /** @type {string | null} */
    this._cursor = null;
    this._asking = false;
    this._failed = false;
    this.found = 0;
    this.weaker = 0;
    this.nearest = false;
  }

  get length() {
    return this.hits.length;
  }

  get complete() {
    return this._cursor === null;
  }

  /** @param {AbortSignal} [signal] @param {number} [least] index of a hit that was seen before */
  async open(signal, least) {
    const answer = await ask("POST", "/v1/search", { ...this.request, limit: PAGE }, signal);
    this.answer = answer;
    this.found = answer.found;
    this.weaker = answer.weaker;
    let { hits } = answer;
    if (!hits.length) {
      hits = answer.nearest_hits.map((hit) => ({ ...hit, band: "nearest" }));
      this.nearest = hits.length > 0;
    }
    this._add(hits);
    this._cursor = answer.next_cursor;
    while (least && this._cursor && this.length < least + PAGE) await this._more(signal);
    return this;
  }

  /** @param {number} index @returns {Item | undefined} */
  at(index) {
    const hit = this.hits[index];
    if (index >= this.hits.length - PAGE / 2 && this._cursor) void this._next();
    return hit && { id: hit.id, hash: hit.hash, label: labelOf(hit), band: hit.band, source: hit.source };
  }

  /** @param {number} index */
  async get(index) {
    return this.at(index);
  }

  /** Put a hit that has just come in front. @param {any} hit */
  prepend(hit) {
    if (this.hits.some((known) => known.id === hit.id)) return false;
    this.hits.unshift(hit);
    this.found++;
    this.nearest = false;
    this._arrange();
    return true;
  }

  /** @param {AbortSignal} [signal] */
  async _more(signal) {
    const answer = await ask("POST", "/v1/search", { ...this.request, limit: PAGE, cursor: this._cursor }, signal);
    this._add(answer.hits);
    this._cursor = answer.next_cursor;
  }

  async _next() {
    if (this._asking) return;
    this._asking = true;
    try {
      await this._more();
      this._asking = false;
      this.onload();
    } catch (error) {
      this._failed = true; // nothing more is asked for until `again`
      this.onfail(error.message);
    }
  }

  /** Ask once more for what did not come. */
  again() {
    if (!this._failed) return;
    this._failed = this._asking = false;
    void this._next();
  }

  /** @param {any[]} hits */
  _add(hits) {
    this.hits.push(...hits);
    this._arrange();
  }

  _arrange() {
    this.shapes = Uint8Array.from(this.hits, (hit) => shapeOf(hit.width, hit.height));
    this.sections = [];
    let last = "";
    this.hits.forEach((hit, start) => {
      const band = hit.band ?? "untold";
      if (band === last) return;
      last = band;
      const count = band === "found" ? this.found : band === "weaker" ? this.weaker : 0;
      this.sections.push({ start, title: BANDS[band] + (count ? ` · ${count.toLocaleString()}` : ""), month: "" });
    });
  }
}

/** @param {string} month */
function titleOf(month) {
  if (month === "undated") return "Undated";
  return month.length < 7 ? `${month}, some time` : MONTH.format(new Date(`${month}-01T00:00:00Z`));
}

/** @param {string} month @param {number} day */
function dayOf(month, day) {
  if (month === "undated" || !day) return "Photo";
  const date = new Date(`${month}-${String(day).padStart(2, "0")}T00:00:00Z`);
  return Number.isNaN(date.getTime()) ? "Photo" : `Photo, ${DAY.format(date)}`;
}

/** @param {any} hit */
function labelOf(hit) {
  const [, name] = splitPath(hit.path);
  if (hit.source) return `${hit.path}, on another machine`;
  return hit.offline ? `${name}, offline` : name;
}
