/** The bar on top: the search box, the filters as chips, and what the daemon is doing. */

import { ask, withFields } from "./api.js";
import { Results } from "./sources.js";
import { html, nothing, render } from "./vendor/lit-html.js";

const TYPING_MS = 300;
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
    if (source instanceof Results) {
      const whole = source.found.toLocaleString();
      this.count = source.nearest ? "Nothing found" : `${whole} found`;
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
            ${/** @type {["map" | "duplicates", string][]} */ ([["map", "Map"], ["duplicates", "Duplicates"]]).map(([view, title]) => html`<button class="quiet"
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
              <details class="menu" @toggle=${(/** @type {Event} */ event) => this._opened(event)}>
                <summary class="chip">+ Filter</summary>
                <div class="sheet-menu">${this._menu()}</div>
              </details>
              ${searching
                ? html`<div class="toggle" role="group" aria-label="Order">
                    <button aria-pressed=${String(scene.order === "score")} @click=${() => this.told.order("score")}>Relevance</button>
                    <button aria-pressed=${String(scene.order === "newest")} @click=${() => this.told.order("newest")}>Newest</button>
                  </div>`
                : nothing}
              <span class="count" role="status">${this.count}</span>
            </div>`
          : nothing}
      `,
      this.box,
    );
  }

  _menu() {
    const filters = this.scene.filters;
    return html`
      <label>When <input placeholder="2023, may 2023, 3months" aria-label="When it was taken"
        @change=${(/** @type {Event} */ event) => this._add({ taken: /** @type {HTMLInputElement} */ (event.target).value.trim() || undefined })}></label>
      <div class="rating" role="group" aria-label="At least so many stars">Rating
        ${[1, 2, 3, 4, 5].map((star) => html`<button class="star ${star <= (filters.min_rating ?? 0) ? "lit" : ""}" aria-label="At least ${star}"
          @click=${() => this._add({ min_rating: filters.min_rating === star ? undefined : star })}>★</button>`)}</div>
      <button class="star ${filters.favorite ? "lit" : ""}" aria-pressed=${String(Boolean(filters.favorite))}
        @click=${() => this._add({ favorite: filters.favorite ? undefined : true })}>♥ Favorites</button>
      ${KINDS.map(
        ([kind, title]) => html`<fieldset><legend>${title}</legend>
          <input placeholder="Find" aria-label="Find a ${title.toLowerCase()}" @input=${(/** @type {Event} */ event) =>
            void this._facet(kind, /** @type {HTMLInputElement} */ (event.target).value)}>
          <ul>${(this.facets[kind] ?? []).map((facet) => html`<li><button class="plain" @click=${() => this._choose(kind, facet.value)}
            ><span>${shortened(kind, facet.value)}</span><small>${facet.count.toLocaleString()}</small></button></li>`)}</ul></fieldset>`,
      )}
    `;
  }

  /** @param {Event} event */
  _opened(event) {
    const menu = /** @type {HTMLDetailsElement} */ (event.target);
    if (!menu.open) return;
    for (const [kind] of KINDS) void this._facet(kind, "");
    const close = (/** @type {Event} */ other) => {
      const escaped = other instanceof KeyboardEvent && other.key === "Escape";
      if (!escaped && (other instanceof KeyboardEvent || menu.contains(/** @type {Node} */ (other.target)))) return;
      menu.open = false;
      if (escaped) /** @type {HTMLElement} */ (menu.querySelector("summary")).focus();
      removeEventListener("pointerdown", close);
      removeEventListener("keydown", close);
    };
    addEventListener("pointerdown", close);
    addEventListener("keydown", close);
  }

  /** @param {string} kind @param {string} contains */
  async _facet(kind, contains) {
    try {
      const found = await ask("GET", withFields("/v1/facets", { kind, contains, limit: 30 }));
      this.facets = { ...this.facets, [kind]: found.values };
    } catch {
      this.facets = { ...this.facets, [kind]: [] };
    }
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
    const filters = { ...this.scene.filters, ...more };
    for (const key of Object.keys(filters)) if (filters[key] === undefined) delete filters[key];
    const menu = /** @type {HTMLDetailsElement | null} */ (this.box.querySelector("details.menu"));
    if (menu) menu.open = false;
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

/** @param {any} state @returns {{kind: string, text: string}} */
function workOf(state) {
  if (!state) return { kind: "", text: "Status" };
  const { files } = state;
  if (state.pause && files.pending) return { kind: "paused", text: "Paused" };
  if (files.pending) {
    const done = files.seen ? Math.floor((100 * files.indexed) / files.seen) : 0;
    return { kind: "busy", text: `Indexing ${done} %` };
  }
  const away = state.roots?.some((/** @type {any} */ root) => root.online === false);
  if (away) return { kind: "warn", text: "A drive is offline" };
  if (state.warnings?.length) return { kind: "warn", text: "See status" };
  return { kind: "well", text: "Up to date" };
}
