/** The bar on top: search box, filters, and what the daemon is doing. */

import { ask, child, photos, withFields } from "./api.js";
import { Results } from "./sources.js";
import { html, render } from "./vendor/lit-html.js";

const TYPING_MS = 300;
const HEAVIEST = 10; // weight of a term

export class Bar {
  /** @param {HTMLElement} box @param {BarEvents} told */
  constructor(box, told) {
    this.box = box;
    this.told = told;
    this.field = /** @type {HTMLInputElement} */ (child(box, "#query"));
    /** @type {any} */
    this.scene = null;
    this.count = "";
    /** @type {Results | null} */
    this.results = null;
    this._typing = 0;
    this._refines = false; // what was searched for while the box had the focus
    child(this.box, "form").onsubmit = (event) => this._submit(event);
    this.field.oninput = () => this._typed();
    this.field.onblur = () => { this._refines = false; };
    child(this.box, "#by-picture button").onclick = told.noPicture;
    const menu = child(this.box, "#filters");
    menu.onbeforetoggle = ({ newState }) => {
      if (newState === "open") for (const list of menu.querySelectorAll("fieldset")) void this._facet(list);
    };
    menu.onchange = (/** @type {any} */ { target: { id, value } }) => id === "when" && this._add({ taken: value.trim() || undefined });
    menu.oninput = (/** @type {any} */ { target }) => target.placeholder === "Find" && void this._facet(target.parentElement, target.value);
    box.addEventListener("click", ({ target }) => {
      const { view } = /** @type {any} */ (target).closest("button")?.dataset ?? {};
      if (view) told.view(view);
    });
    this.status(null);
  }

  /** @param {any} scene @param {boolean} byPicture */
  show(scene, byPicture) {
    this.scene = scene;
    if (document.activeElement !== this.field) this.field.value = scene.query;
    child(this.box, "#by-picture").hidden = !byPicture;
    for (const button of this.box.querySelectorAll("[data-view]")) {
      button.ariaCurrent = /** @type {HTMLElement} */ (button).dataset.view === scene.view ? "page" : null;
    }
    this._draw();
  }

  /** @param {Source} source */
  counted(source) {
    this.results = source instanceof Results ? source : null;
    if (source instanceof Results) {
      const [first] = source.hits;
      const how = first && !first.band ? "nearest first" : "found";
      this.count = source.nearest ? "Nothing found" : `${source.found.toLocaleString()} ${how}`;
      if (source.weaker) this.count += `, ${source.weaker.toLocaleString()} weaker`;
    } else if (!source.complete) this.count = "";
    else this.count = photos(source.length);
    this._draw();
  }

  /** @param {Answer | null} state */
  status(state) {
    const { kind, text } = workOf(state);
    const button = child(this.box, ".state");
    button.className = `quiet state ${kind}`;
    button.title = text;
    render(html`<span class="dot" aria-hidden="true"></span><span class="wide-only">${text}</span><span class="unseen">Status: ${text}</span>`, button);
  }

  _draw() {
    const { scene } = this;
    const chips = child(this.box, "#chips");
    chips.hidden = scene.view !== "photos";
    if (chips.hidden) return;
    this._drawMenu();
    render(
      html`<span class="chosen">${chipsOf(scene.filters).map(
          ([text, rest]) => html`<span class="chip"><span>${text}</span><button class="plain" aria-label="Take away: ${text}"
            @click=${() => this.told.filter(rest)}>✕</button></span>`,
        )}</span>
        <button class="chip" popovertarget="filters">+ Filter</button>
        ${scene.query || scene.picture
          ? html`<div class="toggle" role="group" aria-label="Order">
              <button aria-pressed=${scene.order === "score"} @click=${() => this.told.order("score")}>Relevance</button>
              <button aria-pressed=${scene.order === "newest"} @click=${() => this.told.order("newest")}>Newest</button>
            </div>`
          : ""}
        ${this.results ? html`<span class="said" role="status">${this._understood(this.results)}</span>` : ""}
        <span class="count" role="status">${this.count}</span>`,
      chips,
    );
  }

  /** @param {Results} results How the words were taken. */
  _understood({ answer: { understood: said, notes } }) {
    if (!said) return notes.join(" ");
    const { taken_from: from, taken_to: to, place, near, names } = said;
    const taken = from || to ? [from, "to", to].filter(Boolean).join(" ") : said.words;
    const parts = [
      said.text && `“${said.text}”`,
      place && `${near ? `within ${near[2]} km of` : "in"} ${place}`,
      taken && `taken ${taken}`,
      ...said.without.map((/** @type {string} */ word) => `without ${word}`),
      names.length && `${names.join(" and ")} first`,
    ];
    const literal = { ...this.scene.literal, spelling: false };
    if (taken) literal.dates = false;
    if (said.place_words) literal.places = false;
    if (said.name_words) literal.names = false;
    return html`Understood as ${parts.filter(Boolean).join(", ")}. ${notes.join(" ")}
      <button class="link" @click=${() => this.told.literally(literal)}>Search the words as typed</button>`;
  }

  /** Show which ratings are asked for. */
  _drawMenu() {
    const { favorite, min_rating: least = 0 } = this.scene.filters;
    const stars = [1, 2, 3, 4, 5].map((star) => html`<button class="star ${star <= least ? "lit" : ""}" aria-label="At least ${star}"
      @click=${() => this._add({ min_rating: star === least ? undefined : star })}>★</button>`);
    render(["Rating ", stars], child(this.box, "#least"));
    const heart = child(this.box, "#favorite");
    heart.ariaPressed = `${!!favorite}`;
    heart.onclick = () => this._add({ favorite: favorite ? undefined : true });
  }

  /** @param {any} list the fieldset of one kind @param {string} [contains] */
  async _facet(list, contains) {
    const { kind } = list.dataset;
    const { values } = await ask("GET", withFields("/v1/facets", { kind, contains, limit: 30 })).catch(() => ({ values: [] }));
    render(
      values.map((/** @type {Fields} */ { value, value_base64: raw, count }) => html`<li><button class="plain" ?disabled=${raw} @click=${() => this._choose(kind, value)}
        ><span>${shortened(kind, value)}</span><small>${count.toLocaleString()}</small></button></li>`),
      list.lastElementChild,
    );
  }

  /** @param {string} kind @param {string} value */
  _choose(kind, value) {
    const { tags = [] } = this.scene.filters;
    this._add(/tag|person/.test(kind) ? { tags: [...new Set([...tags, value])] } : { [kind]: value });
  }

  /** @param {Fields} more */
  _add(more) {
    // JSON leaves undefined ones out
    const filters = JSON.parse(JSON.stringify({ ...this.scene.filters, ...more }));
    child(this.box, "#filters").hidePopover();
    this.told.filter(filters);
  }

  _typed() {
    clearTimeout(this._typing);
    this._typing = setTimeout(() => this._search(), TYPING_MS);
  }

  /** @param {Event} event */
  _submit(event) {
    event.preventDefault();
    clearTimeout(this._typing);
    this._search();
    document.getElementById("grid")?.focus();
  }

  _search() {
    const query = this.field.value.trim();
    if (query === this.scene.query) return;
    this.told.search(query, this._refines);
    this._refines = true;
  }
}

/** Return [words, the filters without it] of each filter. @param {Filters} filters @returns {[string, Fields][]} */
function chipsOf(filters) {
  return Object.entries(filters).flatMap(([key, value]) => {
    const { [key]: _, ...rest } = filters;
    if (key === "min_rating") return [[`${"★".repeat(value)} and more`, rest]];
    if (key === "favorite") return [[value ? "♥ favorites" : "no favorites", rest]];
    if (key === "near") return [[`within ${value[2]} km`, rest]];
    if (key === "box") return [["a part of the map", rest]];
    if (key !== "tags") return [[shortened(key, value), rest]];
    return value.map((/** @type {string} */ tag) => {
      const tags = value.filter((/** @type {string} */ each) => each !== tag);
      return [tag, tags.length ? { ...rest, tags } : rest];
    });
  });
}

/** @param {string} kind @param {string} value */
function shortened(kind, value) {
  if (kind !== "folder") return value;
  const parts = value.split("/").filter(Boolean);
  return parts.length > 2 ? `…/${parts.slice(-2).join("/")}` : value;
}

/** @param {Answer | null} state */
function workOf(state) {
  if (!state) return { kind: "", text: "Status" };
  const { files } = state;
  if (state.pause && files.pending) return { kind: "paused", text: "Paused" };
  if (files.pending) {
    const done = files.seen ? Math.floor((100 * files.indexed) / files.seen) : 0;
    return { kind: "busy", text: `Indexing ${done} %` };
  }
  const away = state.roots.some((root) => root.online === false);
  if (away) return { kind: "warn", text: "A drive is offline" };
  if (state.warnings.length) return { kind: "warn", text: "See status" };
  return { kind: "well", text: "Up to date" };
}

/**
 * Return the terms and the text of a query as `imgvec search` has them: `beach +sunset -people 2:red #316`.
 * @param {string} typed
 * @returns {{text?: string, terms: Fields[]}}
 */
export function parse(typed) {
  const words = [];
  const terms = [];
  for (const [, sign, quotedTerm, bare] of typed.matchAll(/(?:([+-]?(?:\d+(?:\.\d+)?:)?)"([^"]*)"?)|(\S+)/g)) {
    const word = bare ?? `${sign}${quotedTerm}`;
    const term = termOf(word);
    if (term) terms.push(term);
    else if (word.trim()) words.push(word.trim());
  }
  const text = words.join(" ");
  return text ? { text, terms } : { terms };
}

/** @param {string} word @returns {Fields | null} */
function termOf(word) {
  const signed = /^[+-](?=[^\s\d=]|\d+(?:\.\d+)?:\S)/.exec(word);
  let weight = word[0] === "-" ? -1 : 1;
  let rest = signed ? word.slice(1) : word;
  const weighted = /^(\d+(?:\.\d+)?):(?=\S)/.exec(rest);
  const heavy = weighted && Number(weighted[1]) <= HEAVIEST ? weighted : null;
  if (heavy) {
    weight *= Number(heavy[1]);
    rest = rest.slice(heavy[0].length);
  }
  if (/^#\d+$/.test(rest)) return { id: Number(rest.slice(1)), weight };
  if ((!signed && !heavy) || !rest) return null;
  return { text: rest, weight };
}
