/** What is known of one photo, and what the user says of it. */

import { ask, attempt, splitPath, thumbnail } from "./api.js";
import { detailsOf } from "./viewer.js";
import { html, render } from "./vendor/lit-html.js";

const SIMILAR = 12;
const WHEN = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short", timeZone: "UTC" });
const FACTS = Object.entries({
  camera: "Camera", lens: "Lens", exposure_s: "Exposure", f_number: "Aperture", iso: "ISO", focal_length_mm: "Focal length",
  title: "Title", description: "Description", city: "City", country: "Country",
});

export class Panel {
  /** @param {HTMLElement} box @param {PanelEvents} told */
  constructor(box, told) {
    this.box = box;
    this.told = told;
    this.id = -1;
    /** @type {Answer | null} */
    this.image = null;
    /** @type {any[]} */
    this.similar = [];
    // the viewer listens for keys everywhere; what is typed here is not meant for it
    box.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        event.stopPropagation();
        told.close();
      } else if (/** @type {HTMLElement} */ (event.target).matches("input, textarea, video")) {
        event.stopPropagation();
      }
    });
  }

  get shown() {
    return !this.box.hidden;
  }

  /** @param {number} id */
  async show(id) {
    this.id = id;
    try {
      const image = await detailsOf(id);
      if (this.id !== id) return;
      this.image = image;
      this.similar = [];
      this._draw();
      if (!this.shown) return;
      const request = { image: { id }, limit: SIMILAR + 1, all: true };
      const answer = await ask("POST", "/v1/search", request);
      if (this.id !== id) return;
      this.similar = answer.hits.filter((hit) => hit.id !== id && !hit.source).slice(0, SIMILAR);
      this._draw();
    } catch (error) {
      if (this.id === id) render(html`<p class="wrong">${error.message}</p>`, this.box);
    }
  }

  /** @param {number} stars the same again takes the rating away */
  async rate(stars) {
    const rating = this.image?.user_metadata?.rating === stars ? null : stars || null;
    await this._set({ rating }, rating ? `Rated ${rating} of 5` : "No rating");
  }

  /** @param {string[]} add @param {string[]} remove */
  async tag(add, remove) {
    const id = this.id;
    await attempt(this.told.say, async () => {
      await ask("POST", "/v1/tags", { ids: [id], add, remove });
      this._knows(await detailsOf(id));
    });
  }

  /** @param {Fields} changes @param {string} done */
  async _set(changes, done) {
    await attempt(this.told.say, async () => {
      this._knows(await ask("PATCH", `/v1/images/${this.id}/metadata`, changes));
      this.told.say(done);
    });
  }

  /** @param {any} image */
  _knows(image) {
    if (this.id !== image.id) return;
    this.image = image;
    this._draw();
  }

  _draw() {
    const image = this.image;
    if (!image || this.box.hidden) return;
    const said = image.user_metadata ?? {};
    const file = image.files[0];
    const [folder, name] = splitPath(file.path);
    const film = !file.offline && image.companions?.some((each) => each.kind === "video");
    const source = `/v1/images/${image.id}/film`;
    render(
      html`
        <header>
          <h2>${name}</h2>
          <button class="quiet" aria-label="Close the panel" @click=${this.told.close}>✕</button>
        </header>
        ${file.offline ? html`<p class="badge">Offline: its drive is not here</p>` : ""}
        ${image.failure ? html`<p class="wrong">${image.failure}</p>` : ""}
        ${image.truncated ? html`<p class="wrong">The file ends early; this is what there is.</p>` : ""}
        <p class="when">${whenOf(image)}</p>
        <div class="stars" role="group" aria-label="Rating">
          ${[1, 2, 3, 4, 5].map(
            (star) => html`<button
              class="star ${star <= (said.rating ?? image.metadata?.rating ?? 0) ? "lit" : ""}"
              aria-label="${star} of 5" aria-pressed=${said.rating === star}
              @click=${() => this.rate(star)}>★</button>`,
          )}
        </div>
        <div class="tags">
          ${(said.tags ?? []).map(
            (/** @type {string} */ tag) => html`<span class="chip"
              ><button class="plain" @click=${() => this.told.filter({ tags: [tag] })}>${tag}</button
              ><button class="plain" aria-label="Take away the tag ${tag}" @click=${() => this.tag([], [tag])}>✕</button
            ></span>`,
          )}
          <form @submit=${(/** @type {SubmitEvent} */ event) => this._addTag(event)}>
            <input id="new-tag" name="tag" maxlength="200" placeholder="Add a tag" aria-label="Add a tag" autocomplete="off">
          </form>
        </div>
        <label class="note">Note
          <textarea rows="2" maxlength="10000" .value=${said.note ?? ""}
            @change=${(/** @type {any} */ event) => {
              const text = event.target.value.trim();
              void this._set({ note: text || null }, "The note is kept");
            }}></textarea>
        </label>
        ${film
          ? html`<video controls preload="none" playsinline aria-label="The film" poster=${thumbnail(image, 512)} src=${source}
              @error=${() => this.told.say("This browser cannot play it")}></video>
              <a class="button wide" href=${source} download>Download the film</a>`
          : ""}
        <dl>
          <dt>Size</dt>
          <dd>${image.width ?? "?"} × ${image.height ?? "?"} · ${size(file.size_bytes)} · ${(image.format ?? "").toUpperCase()}</dd>
          ${FACTS.filter(([key]) => image.metadata?.[key] != null).map(
            ([key, title]) => html`<dt>${title}</dt><dd>${told(key, image.metadata[key])}</dd>`,
          )}
          ${words("Keywords", image.metadata?.keywords, this.told)} ${words("People", image.metadata?.people, this.told)}
          ${image.metadata?.gps_latitude != null
            ? html`<dt>Place</dt><dd><button class="link" @click=${() => this.told.filter({
                near: [image.metadata.gps_latitude, image.metadata.gps_longitude, 5],
              })}>${image.metadata.gps_latitude.toFixed(4)}, ${image.metadata.gps_longitude.toFixed(4)}</button></dd>`
            : ""}
          ${image.place
            ? html`<dt>Taken in</dt><dd><button class="link" @click=${() => this.told.filter({ place: image.place })}>${image.place}</button></dd>`
            : ""}
          <dt>Folder</dt>
          <dd><button class="link" @click=${() => this.told.filter({ folder: folder || "/" })}>${folder || "/"}</button></dd>
          ${image.files.length > 1
            ? html`<dt>Also at</dt>${image.files.slice(1).map((/** @type {any} */ other) => html`<dd>${other.path}</dd>`)}`
            : ""}
        </dl>
        ${image.text
          ? html`<details class="read"><summary>Text in the picture</summary><p>${image.text}</p></details>`
          : ""}
        ${file.offline ? "" : html`<a class="button wide" href="/v1/images/${image.id}/original" download=${name}>Download the original</a>`}
        <h3>More like this</h3>
        <div class="strip">
          ${this.similar.map(
            (hit) => html`<button class="thumb" aria-label="Photos like ${splitPath(hit.path)[1]}" @click=${() => this.told.like(hit.id)}
              ><img alt="" loading="lazy" src=${thumbnail(hit, 256)}></button>`,
          )}
        </div>
      `,
      this.box,
    );
  }

  /** @param {SubmitEvent} event */
  _addTag(event) {
    event.preventDefault();
    const field = /** @type {HTMLInputElement} */ (/** @type {HTMLFormElement} */ (event.target).elements.namedItem("tag"));
    const tags = field.value.split(",").map((tag) => tag.trim()).filter(Boolean);
    field.value = "";
    if (tags.length) void this.tag(tags, []);
  }
}

/** @param {string} title @param {string[] | undefined} list @param {PanelEvents} told */
function words(title, list, told) {
  if (!list?.length) return "";
  return html`<dt>${title}</dt><dd>${list.map(
    (word) => html`<button class="link" @click=${() => told.filter({ tags: [word] })}>${word}</button> `,
  )}</dd>`;
}

/** @param {any} image */
function whenOf(image) {
  if (!image.taken_at) return "Undated";
  const date = new Date(`${image.taken_at.slice(0, 19)}Z`);
  return Number.isNaN(date.getTime()) ? image.taken_at : WHEN.format(date);
}

/** @param {string} key @param {any} value */
function told(key, value) {
  if (key === "exposure_s") return value > 0 && value < 1 ? `1/${Math.round(1 / value)} s` : `${value} s`;
  if (key === "f_number") return `f/${value}`;
  if (key === "focal_length_mm") return `${value} mm`;
  return String(value);
}

/** @param {number} bytes */
export function size(bytes) {
  const power = Math.floor(Math.log10(bytes || 1) / 3);
  const value = bytes / 1000 ** power;
  return `${power ? value.toFixed(value < 10 ? 1 : 0) : value} ${["B", "kB", "MB", "GB", "TB"][power]}`;
}
