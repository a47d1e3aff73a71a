/** Groups of the same picture, side by side: what differs, what stays. */

import { ask, attempt, splitPath, thumbnail, written } from "./api.js";
import { within } from "./layout.js";
import { size } from "./panel.js";
import { html, render } from "./vendor/lit-html.js";

const KINDS = /** @type {Record<string, string>} */ ({
  same_bytes: "The very same file", same_pixels: "The same picture", reencoded: "Saved anew or resized",
  transformed: "Turned", edited: "Edited", burst: "A burst", similar: "Alike",
});
const MOST_ZOOM = 12;
const STEP = 1.5; // of a key
const PAN = 0.1; // of what is seen, an arrow key
/** A line of a plan: what becomes of a file, its group, three facts, its hash, its path. */
const LINE = /^(keep|trash)(\s+\d+\s+\S+\s+\S+\s+\S+\s+([0-9a-f]{64})\s+(\S.*))$/;
const FIELDS = /** @type {[string, (file: any) => string][]} */ ([
  ["Pixels", (file) => (file.width ? `${file.width} × ${file.height}` : "?")],
  ["Format", (file) => (file.format ?? "?").toUpperCase()],
  ["Taken", (file) => (file.taken_at ?? "–").slice(0, 19).replace("T", " ")],
  ["Changed", (file) => new Date(file.modified_at).toLocaleString()],
  ["Folder", (file) => splitPath(file.path)[0]],
  ["Name", (file) => splitPath(file.path)[1]],
]);

export class Duplicates {
  /** @param {HTMLElement} box @param {Say} say */
  constructor(box, say) {
    this.box = box;
    this.say = say;
    this.visible = false;
    /** @type {Alike[]} */
    this.groups = [];
    this.page = 50; // groups that are asked for at once
    this.total = 0;
    /** Of the groups that are not here yet. @type {string | null} */
    this.cursor = null;
    this.at = 0;
    this.swapped = 0;
    /** Whether one picture lies over the other, with a slider. */
    this.over = false;
    this.split = 50;
    this.zoom = 1;
    /** What is looked at, as a share of each picture: the same place in all of them. */
    this.centre = { x: 0.5, y: 0.5 };
    /** Which files stay, by path, where a person has said so. @type {Map<string, boolean>} */
    this.kept = new Map();
    /** What was moved last, and can be put back. @type {any} */
    this.done = null;
  }

  /** @param {number} [at] the group to begin with; else the last one seen */
  async show(at = this.at) {
    this.visible = true;
    this.at = at;
    render(written("comparing"), this.box);
    this.groups = [];
    const { groups } = this;
    await this._more(Math.min(this.at + this.page, 10_000));
    if (groups === this.groups) this._go(0);
  }

  /** @param {string} key @returns {Act | undefined} what it does */
  key(key) {
    const { files } = this.groups[this.at] ?? {};
    // arrows scroll
    if (!files || (key.startsWith("Arrow") && this.zoom === 1)) return;
    const file = files[Number(key) - 1];
    if (file) return () => this._keep(file);
    return /** @type {Keys} */ ({
      " ": () => {
        this.swapped = (this.swapped + 1) % files.length;
        this._draw();
      },
      n: () => this._go(1), p: () => this._go(-1), o: this._overlay,
      "+": () => this._zoom(STEP), "-": () => this._zoom(1 / STEP), 0: () => this._zoom(0),
      ArrowLeft: () => this._pan(-PAN, 0), ArrowRight: () => this._pan(PAN, 0),
      ArrowUp: () => this._pan(0, -PAN), ArrowDown: () => this._pan(0, PAN),
    })[key];
  }

  _overlay = () => {
    this.over = !this.over;
    this._draw();
  };

  /** @param {number} by a factor */
  _zoom(by) {
    this.zoom = within(this.zoom * by, 1, MOST_ZOOM);
    this._pan(0, 0);
  }

  /** @param {number} x @param {number} y shares of what is seen of a picture */
  _pan(x, y) {
    const moved = (/** @type {number} */ value, /** @type {number} */ by) => (this.zoom === 1 ? 0.5 : within(value + by / this.zoom, 0, 1));
    this.centre = { x: moved(this.centre.x, x), y: moved(this.centre.y, y) };
    this._place();
  }

  /** @param {number} limit groups to take in, after those that are here */
  async _more(limit) {
    const { groups } = this;
    const { length } = groups;
    const found = await ask("POST", "/v1/duplicates", { limit, cursor: length ? this.cursor : null });
    if (groups !== this.groups || length !== groups.length) return; // it was asked for twice
    groups.push(...found.groups);
    this.total = found.groups_in_all;
    this.cursor = found.next_cursor;
  }

  /** @param {number} by */
  _go(by) {
    this.at = within(this.at + by, 0, this.groups.length - 1);
    if (this.cursor && this.at + this.page / 2 >= this.groups.length) {
      this._more(this.page).then(() => this._draw(), (error) => this.say(error.message));
    }
    this.swapped = 0;
    this._zoom(0);
    this._draw();
  }

  /** @param {any} file */
  _stays(file) {
    return this.kept.get(file.path) ?? Boolean(file.keep);
  }

  /** @param {any} file */
  _keep(file) {
    if (file.protected) return this.say("It lies in a protected folder: it always stays");
    this.kept.set(file.path, !this._stays(file));
    this._draw();
  }

  /** @param {"not_duplicates" | "keep_both"} decision @param {string} done */
  async _decide(decision, done) {
    const group = this.groups[this.at];
    const hashes = [...new Set(group.files.map((file) => file.hash))];
    if (hashes.length < 2) return this.say("These are the same bytes; there is nothing to tell apart");
    await attempt(this.say, async () => {
      await ask("POST", "/v1/duplicates/decisions", { hashes, decision });
      this.groups.splice(this.at, 1);
      this.total--;
      this._go(0);
      this.say(done);
    });
  }

  /** Plan, and move what goes to the trash, which is looked at and can be undone. @param {boolean} all every group, or the one that is seen */
  _trash(all) {
    return attempt(this.say, async () => {
      const plan = await ask("POST", "/v1/duplicates/plan", {});
      const lines = this._edited(plan.text, all ? this.groups : [this.groups[this.at]], all);
      if (!lines.some((line) => line.startsWith("trash"))) return this.say("Nothing here is to go");
      this.done = await ask("POST", "/v1/duplicates/apply", { plan: lines.join("\n") });
      this.kept.clear();
      const { files, size_bytes: bytes, left } = this.done;
      this.say(`${files} moved to the trash, ${size(bytes)}${left.length ? `; ${left.length} stay: ${left[0].why}` : ""}`);
      if (this.visible) await this.show();
    });
  }

  _undo() {
    return attempt(this.say, async () => {
      const done = await ask("POST", "/v1/duplicates/undo", { name: this.done.name });
      this.done = null;
      this.say(`${done.files} are back`);
      if (this.visible) await this.show();
    });
  }

  /**
   * Return a plan's lines as a person has decided.
   * @param {string} text @param {any[]} groups @param {boolean} all whether files of others go as planned; else they stay
   */
  _edited(text, groups, all) {
    const files = groups.flatMap((group) => group.files);
    const states = new Map(files.map((file) => [file.path, this._stays(file)]));
    const lines = text.split("\n").map((line) => LINE.exec(line) ?? line);
    const named = new Set(lines.map((line) => (typeof line === "string" ? "" : line[4])));
    // a name that a plan writes otherwise: whatever has these bytes stays, if the file shall
    const spared = new Set(files.filter((file) => !named.has(file.path) && this._stays(file)).map((file) => file.hash));
    return lines.map((line) => {
      if (typeof line === "string") return line;
      const [, planned, rest, hash, path] = line;
      const stays = (states.get(path) ?? (!all || planned === "keep")) || spared.has(hash);
      return `${stays ? "keep " : "trash"}${rest}`;
    });
  }

  _draw() {
    if (!this.visible) return;
    if (!this.groups.length) {
      render(html`<div class="empty"><h2>No duplicates</h2><p>Every picture is here once.</p>${this._undoing()}</div>`, this.box);
      return;
    }
    const group = this.groups[this.at];
    const { files } = group;
    const order = files.map((_, i) => files[(i + this.swapped) % files.length]);
    const differing = FIELDS.filter(([, told]) => new Set(files.map(told)).size > 1);
    const goes = files.filter((file) => !this._stays(file));
    const saved = goes.reduce((sum, file) => sum + file.size_bytes, 0);
    render(
      html`<div class="duplicates">
        <div class="row actions">
          <button aria-label="The group before (p)" ?disabled=${!this.at} @click=${() => this._go(-1)}>←</button>
          <h2>${KINDS[group.kind] ?? group.kind}</h2>
          <span class="count">${(this.at + 1).toLocaleString()} of ${this.total.toLocaleString()}</span>
          <button aria-label="The next group (n)" ?disabled=${this.at + 1 >= this.groups.length} @click=${() => this._go(1)}>→</button>
          <span class="grow"></span>
          <button aria-label="Zoom in (+)" @click=${() => this._zoom(STEP)}>+</button>
          <button aria-label="Zoom out (-)" @click=${() => this._zoom(1 / STEP)}>−</button>
          <button aria-pressed=${this.over} @click=${this._overlay}>Slider</button>
          <button @click=${() => void this._decide("not_duplicates", "They will not be shown as duplicates again")}>Not duplicates</button>
          <button @click=${() => void this._decide("keep_both", "All of them stay")}>Keep all</button>
        </div>
        ${this.over ? this._overlaid(order) : ""}
        <div class="side">${order.map((file) => this._figure(file, files.indexOf(file), differing))}</div>
        <div class="row actions">
          ${goes.length ? html`<button class="main" @click=${() => void this._trash(false)}>Move ${goes.length} to the trash (${size(saved)})</button>` : ""}
          ${this.total > 1 ? html`<button @click=${() => void this._trash(true)}>The same in all ${this.total.toLocaleString()} groups</button>` : ""}
          ${this._undoing()}
        </div>
      </div>`,
      this.box,
    );
    this._place();
  }

  _undoing() {
    return this.done?.files ? html`<button @click=${() => void this._undo()}>Put ${this.done.files} back</button>` : "";
  }

  /** @param {any[]} files the later ones lie over the first */
  _lens(files) {
    return html`<div class="lens" @wheel=${this._wheel} @pointerdown=${this._drag}>${files.map(
      (file, i) => html`<img class=${i ? "upper" : ""} alt=${file.path} src=${thumbnail(file, 2048)} draggable="false" @load=${this._place} @error=${this._place}>`,
    )}</div>`;
  }

  /** @param {any} file @param {number} number @param {typeof FIELDS} differing */
  _figure(file, number, differing) {
    const stays = this._stays(file);
    return html`<figure class=${stays ? "stays" : "goes"}>
      ${this.over ? "" : this._lens([file])}
      <figcaption><button aria-pressed=${stays} @click=${() => this._keep(file)}><kbd>${number + 1}</kbd> ${stays ? "Stays" : "Goes"}</button>
        ${file.protected ? html`<span class="badge">protected</span>` : ""}<span>${size(file.size_bytes)}</span></figcaption>
      <dl>${differing.map(([title, told]) => html`<dt>${title}</dt><dd>${told(file)}</dd>`)}</dl>
    </figure>`;
  }

  /** @param {any[]} order */
  _overlaid(order) {
    return html`<div class="overlaid">
      ${this._lens(order.slice(0, 2))}
      <input type="range" min="0" max="100" .value=${this.split} aria-label="How much of each picture is seen"
        @input=${(/** @type {any} */ event) => { this.split = Number(event.target.value); this._place(); }}>
    </div>`;
  }

  /** Show the same part of every picture; nothing of one on its way. */
  _place = () => {
    const { x, y } = this.centre;
    this.box.classList.toggle("zoomed", this.zoom > 1);
    for (const picture of this.box.querySelectorAll(".lens img")) {
      if (!(picture instanceof HTMLImageElement)) continue;
      picture.style.opacity = picture.complete ? "1" : "0";
      picture.style.transform = `scale(${this.zoom}) translate(${50 - 100 * x}%, ${50 - 100 * y}%)`;
      if (picture.classList.contains("upper")) picture.style.clipPath = `inset(0 0 0 ${this.split}%)`;
    }
  };

  _wheel = (/** @type {WheelEvent} */ event) => {
    event.preventDefault();
    this._zoom(Math.exp(-event.deltaY / 400));
  };

  _drag = (/** @type {PointerEvent} */ event) => {
    const lens = /** @type {HTMLElement} */ (event.currentTarget);
    const picture = /** @type {HTMLElement} */ (lens.firstElementChild);
    lens.setPointerCapture(event.pointerId);
    let { clientX, clientY } = event;
    lens.onpointermove = (at) => {
      this._pan((clientX - at.clientX) / picture.offsetWidth, (clientY - at.clientY) / picture.offsetHeight);
      ({ clientX, clientY } = at);
    };
    lens.onlostpointercapture = () => { lens.onpointermove = null; };
  };
}
