/** The bar on top: the search box, the filters as chips, and what the daemon is doing. */

import { ask, withFields } from "./api.js";
import { Results } from "./sources.js";
import { html, nothing, render } from "./vendor/lit-html.js";

const TYPING_MS = 300;
const HEAVIEST = 10; // weight of a term
const KINDS = /** @type {[string, string][]} */ ([
  ["folder", "Folder"], ["tag", "Tag"], ["person", "Person"], ["place", "Place"], ["camera", "Camera"],
]);

export class Bar {
  /** @param {HTMLElement} box @param {BarEvents} told */
  constructor(box, told) {
    this.box = box;
    this.told = told;
    /** @type {any} */
    this.scene = { view: "photos", query: "", filters: {}, order: "score" };
    /** @type {string | undefined} */
    this.picture = undefined;
    this.count = "";
    /** @type {Results | null} */
    this.results = null;
    this.closes = false; // whether the page can end what serves it
    /** @type {any} */
    this.state = null;
    /** @type {Record<string, any[]>} */
    this.facets = {};
    this._typing = 0;
    this._refines = false; // what was searched for while the box had the focus
    this._draw();
  }

  /** @param {any} scene @param {string} [picture] */
  show(scene, picture) {
    this.scene = scene;
    this.picture = picture;
    const field = this._field();
    if (field && document.activeElement !== field) field.value = scene.query;
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
    else this.count = source.length === 1 ? "1 photo" : `${source.length.toLocaleString()} photos`;
    this._draw();
  }

  /** @param {any} state */
  status(state) {
    this.state = state;
    this._draw();
  }

  focus() {
    this._field()?.focus();
    this._field()?.select();
  }

  _field() {
    return /** @type {HTMLInputElement | null} */ (this.box.querySelector("#query"));
  }

  _draw() {
    const { scene, state } = this;
    const searching = scene.view === "photos" && (scene.query || this.picture);
    const work = workOf(state);
    render(
      html`
        <div class="row">
          <button class="home" aria-label="All photos" title="All photos" @click=${() => this.told.view("photos")}>
            <img alt="" src="/web/icon.svg" width="28" height="28">
          </button>
          <form role="search" @submit=${(/** @type {Event} */ event) => this._submit(event)}>
            ${this.picture ? html`<span class="chip">a picture <button type="button" class="plain" aria-label="Do not search by the picture" @click=${this.told.noPicture}>✕</button></span>` : nothing}
            <input id="query" type="search" placeholder="Search your photos" aria-label="Search your photos" autocomplete="off" spellcheck="false"
              @input=${() => this._typed()} @blur=${() => { this._refines = false; }}>
            <kbd aria-hidden="true">/</kbd>
          </form>
          <nav aria-label="Views">
            <button class="quiet state ${work.kind}" @click=${() => this.told.view("status")} title=${work.text}>
              <span class="dot" aria-hidden="true"></span><span class="wide-only">${work.text}</span><span class="unseen">Status: ${work.text}</span>
            </button>
            ${/** @type {["map" | "duplicates", string][]} */ ([["map", "Map"], ["duplicates", "Duplicates"]]).map(([view, title]) => html`<button class="quiet to-${view}"
              aria-current=${scene.view === view ? "page" : nothing} @click=${() => this.told.view(view)}>${title}</button>`)}
            <button class="quiet rare" aria-label="Keys and help" @click=${this.told.help}>?</button>
            ${this.closes ? html`<button class="quiet rare" title="Stop listening" @click=${this.told.close}>Close</button>` : nothing}
          </nav>
        </div>
        ${scene.view === "photos"
          ? html`<div class="row chips">
              <span class="chosen">${chipsOf(scene.filters).map(
                ([text, rest]) => html`<span class="chip"><span>${text}</span><button class="plain" aria-label="Take away: ${text}"
                  @click=${() => this.told.filter(rest)}>✕</button></span>`,
              )}</span>
              <button class="chip" popovertarget="filters">+ Filter</button>
              <div id="filters" popover @beforetoggle=${(/** @type {any} */ event) => event.newState === "open" && KINDS.map(([kind]) => this._facet(kind, ""))}>${this._menu()}</div>
              ${searching
                ? html`<div class="toggle" role="group" aria-label="Order">
                    <button aria-pressed=${String(scene.order === "score")} @click=${() => this.told.order("score")}>Relevance</button>
                    <button aria-pressed=${String(scene.order === "newest")} @click=${() => this.told.order("newest")}>Newest</button>
                  </div>`
                : nothing}
              ${this.results ? html`<span class="said" role="status">${this._understood(this.results)}</span>` : nothing}
              <span class="count" role="status">${this.count}</span>
            </div>`
          : nothing}
      `,
      this.box,
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

  _menu() {
    const filters = this.scene.filters;
    return html`
      <label>When <input placeholder="2023, may 2023, 3months" aria-label="When it was taken"
        @change=${(/** @type {any} */ event) => this._add({ taken: event.target.value.trim() || undefined })}></label>
      <div class="rating" role="group" aria-label="At least so many stars">Rating
        ${[1, 2, 3, 4, 5].map((star) => html`<button class="star ${star <= (filters.min_rating ?? 0) ? "lit" : ""}" aria-label="At least ${star}"
          @click=${() => this._add({ min_rating: filters.min_rating === star ? undefined : star })}>★</button>`)}</div>
      <button class="star ${filters.favorite ? "lit" : ""}" aria-pressed=${String(Boolean(filters.favorite))}
        @click=${() => this._add({ favorite: filters.favorite ? undefined : true })}>♥ Favorites</button>
      ${KINDS.map(
        ([kind, title]) => html`<fieldset><legend>${title}</legend>
          <input placeholder="Find" aria-label="Find a ${title.toLowerCase()}" @input=${(/** @type {any} */ event) =>
            void this._facet(kind, event.target.value)}>
          <ul>${(this.facets[kind] ?? []).map((facet) => html`<li><button class="plain" @click=${() => this._choose(kind, facet.value)}
            ><span>${shortened(kind, facet.value)}</span><small>${facet.count.toLocaleString()}</small></button></li>`)}</ul></fieldset>`,
      )}
    `;
  }

  /** @param {string} kind @param {string} contains */
  async _facet(kind, contains) {
    const found = await ask("GET", withFields("/v1/facets", { kind, contains, limit: 30 })).catch(() => ({ values: [] }));
    this.facets[kind] = found.values;
    this._draw();
  }

  /** @param {string} kind @param {string} value */
  _choose(kind, value) {
    if (kind === "tag" || kind === "person") {
      const tags = this.scene.filters.tags ?? [];
      this._add({ tags: [...new Set([...tags, value])] });
    } else this._add({ [kind]: value });
  }

  /** @param {Fields} more */
  _add(more) {
    // JSON leaves undefined ones out
    const filters = JSON.parse(JSON.stringify({ ...this.scene.filters, ...more }));
    document.getElementById("filters")?.hidePopover();
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
    const query = this._field()?.value.trim() ?? "";
    if (query === this.scene.query) return;
    this.told.search(query, this._refines);
    this._refines = true;
  }
}

/** Return [words, the filters without it] of each filter. @param {Filters} filters @returns {[string, Fields][]} */
function chipsOf(filters) {
  /** @type {[string, Fields][]} */
  const chips = [];
  for (const [key, value] of Object.entries(filters)) {
    const { [key]: _, ...rest } = filters;
    if (key === "tags") {
      for (const tag of value) {
        const tags = value.filter((/** @type {string} */ each) => each !== tag);
        chips.push([tag, tags.length ? { ...rest, tags } : rest]);
      }
    } else if (key === "min_rating") chips.push([`${"★".repeat(value)} and more`, rest]);
    else if (key === "favorite") chips.push([value ? "♥ favorites" : "no favorites", rest]);
    else if (key === "near") chips.push([`within ${value[2]} km`, rest]);
    else if (key === "box") chips.push(["a part of the map", rest]);
    else if (key === "folder") chips.push([shortened("folder", value), rest]);
    else chips.push([String(value), rest]);
  }
  return chips;
}

/** @param {string} kind @param {string} value */
function shortened(kind, value) {
  if (kind !== "folder") return value;
  const parts = value.split("/").filter(Boolean);
  return parts.length > 2 ? `…/${parts.slice(-2).join("/")}` : value;
}

/** @param {Answer} state @returns {{kind: string, text: string}} */
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
