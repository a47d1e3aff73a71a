/** The map: photos where they were taken, over our own coastline. */

import { ask, photos, thumbnail, withFields } from "./api.js";
import { within } from "./layout.js";
import { html, render } from "./vendor/lit-html.js";

const TILE = 256;
const SIDE = 1 << 14; // of the coastline, in its units
const BEYOND = 0.06; // of the earth's width: how far land goes on beyond the date line
const DEEPEST = 15; // there the cells that the daemon counts by are 32 pixels wide
const CELL = 32;
const APART = 72; // pixels between groups
const FEW = 12; // photos that are shown at once rather than zoomed in to
const STEP = 90; // pixels an arrow key moves
const SETTLED_MS = 120;
const FLIGHT_MS = 350;
const EARTH_M = 40_075_017;
const WHOLE = { latitude: 25, longitude: 10, zoom: 0 };

export class PhotoMap {
  /** @param {HTMLElement} box @param {MapEvents} told */
  constructor(box, told) {
    this.box = box;
    this.told = told;
    this.visible = false;
    this.spot = WHOLE;
    /** @type {Group[]} */
    this.groups = [];
    /** Names of places, by the id of a photo there. @type {Map<number, string>} */
    this.places = new Map();
    this.failure = "";
    /** @type {Path2D | null} */
    this._land = null;
    /** Pointers that are down. @type {Map<number, Pixels>} */
    this._held = new Map();
    this._asked = 0;
    this._settling = 0;
    this._frame = 0;
    new ResizeObserver(() => this._moved()).observe(box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this._moved());
  }

  /** @param {Spot} [spot] where to begin; else where the photos are */
  async show(spot) {
    this.visible = true;
    this.groups = [];
    this.failure = "";
    this.spot = limited(spot ?? WHOLE, this._size.height);
    this._draw();
    this._land ??= landOf(/** @type {any} */ (await ask("GET", "/web/vendor/land.json")));
    if (!spot) {
      const far = await this._within([-90, -180, 90, 180]); // in large cells
      if (far.clusters.length) {
        const near = await this._within(extentOf(far.clusters, far.cell_degrees));
        this.spot = this._fitting(extentOf(near.clusters));
      }
    }
    if (!this.visible) return;
    this._moved();
    this._focus();
  }

  _focus() {
    /** @type {HTMLElement | null} */ (this.box.querySelector(".map"))?.focus();
  }

  refresh() {
    if (this.visible) void this._ask();
  }

  /** @param {string} key @returns {Act | undefined} what it does */
  key(key) {
    return /** @type {Keys} */ ({
      ArrowLeft: () => this._pan(-STEP, 0), ArrowRight: () => this._pan(STEP, 0),
      ArrowUp: () => this._pan(0, -STEP), ArrowDown: () => this._pan(0, STEP),
      "+": () => this._zoom(1), "-": () => this._zoom(-1),
      Home: () => this._fly(WHOLE),
    })[key];
  }

  get _size() {
    return { width: this.box.clientWidth, height: this.box.clientHeight };
  }

  /** Pixels that the earth is wide. */
  get _world() {
    return TILE * 2 ** this.spot.zoom;
  }

  /** @param {Point} at Return its pixels in the box. */
  _pixels(at) {
    const { width, height } = this._size;
    const { spot } = this;
    return {
      x: width / 2 + (turned(at.longitude - spot.longitude) / 360) * this._world,
      y: height / 2 + (down(at.latitude) - down(spot.latitude)) * this._world,
    };
  }

  /** What is seen, a little more on every side. @returns {Box} */
  _seen(more = 0) {
    const { width, height } = this._size;
    const { spot } = this;
    const half = (180 * (width + 2 * more)) / this._world;
    const [north, south] = [-1, 1].map((side) => up(down(spot.latitude) + (side * (height / 2 + more)) / this._world));
    return onEarth([south, spot.longitude - half, north, spot.longitude + half]);
  }

  /** @param {Box} box Return the spot from which all of it is seen. */
  _fitting([south, west, north, east]) {
    const { width, height } = this._size;
    const wide = ((east - west + 360) % 360 || 360) / 360;
    const high = down(south) - down(north);
    const zoom = Math.log2(Math.min((width - 2 * APART) / wide, (height - 2 * APART) / high) / TILE);
    return limited({ latitude: up((down(south) + down(north)) / 2), longitude: west + 180 * wide, zoom: Math.min(zoom, DEEPEST) }, height);
  }

  /** @param {number} x @param {number} y pixels */
  _pan(x, y) {
    const { spot } = this;
    this._go({ ...spot, longitude: spot.longitude + (360 * x) / this._world, latitude: up(down(spot.latitude) + y / this._world) });
  }

  /** @param {number} by @param {Pixels} [at] pixels: what stays where it is */
  _zoom(by, at) {
    const { width, height } = this._size;
    const { spot } = this;
    const { zoom } = limited({ ...spot, zoom: spot.zoom + by }, height);
    const share = 1 - 2 ** (spot.zoom - zoom);
    if (at) this._pan((at.x - width / 2) * share, (at.y - height / 2) * share);
    this._go({ ...this.spot, zoom });
  }

  /** @param {Spot} spot */
  _go(spot) {
    this.spot = limited(spot, this._size.height);
    this._moved();
  }

  /** @param {Spot} to */
  _fly(to) {
    const from = this.spot;
    const wanted = limited(to, this._size.height);
    const way = turned(wanted.longitude - from.longitude);
    const began = performance.now();
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const nearer = from.zoom - wanted.zoom || 1e-6;
    const step = () => {
      const share = calm ? 1 : Math.min((performance.now() - began) / FLIGHT_MS, 1);
      if (!this.visible || this._held.size) return;
      const gone = (1 - 2 ** (nearer * share)) / (1 - 2 ** nearer); // keeps the goal in sight
      this._go({
        latitude: up(down(from.latitude) + (down(wanted.latitude) - down(from.latitude)) * gone),
        longitude: from.longitude + way * gone,
        zoom: from.zoom + (wanted.zoom - from.zoom) * share,
      });
      if (share < 1) requestAnimationFrame(step);
    };
    step();
  }

  _moved() {
    if (!this.visible) return;
    this._frame ||= requestAnimationFrame(() => {
      this._frame = 0;
      this._paint();
      this._place();
    });
    this._asked++; // what is on its way tells of another part
    clearTimeout(this._settling);
    this._settling = setTimeout(() => {
      this.told.moved();
      void this._ask();
    }, SETTLED_MS);
  }

  /** @param {Box} box */
  _within([south, west, north, east], columns = 64) {
    return ask("GET", withFields("/v1/positions", { south, west, north, east, columns }));
  }

  async _ask() {
    const asked = ++this._asked;
    const box = this._seen(APART);
    const [, west, , east] = box;
    const columns = within(Math.round((this._world * ((turned(east - west) + 360) % 360 || 360)) / 360 / CELL), 1, 64);
    try {
      const found = await this._within(box, columns);
      if (asked !== this._asked || !this.visible) return;
      this.groups = this._together(found.clusters, found.cell_degrees);
      this.failure = "";
      this._draw();
      await this._name();
    } catch (error) {
      this.failure = error.message;
    }
    if (asked === this._asked && this.visible) this._draw();
  }

  /**
   * Join what would lie on top of each other: the larger ones, which come first, take in the others.
   * @param {any[]} clusters @param {number} size of a cell in degrees @returns {Group[]}
   */
  _together(clusters, size) {
    /** @type {(Group & Pixels)[]} */
    const groups = [];
    for (const cluster of clusters) {
      const { x, y } = this._pixels(cluster);
      const south = Math.floor((cluster.latitude + 90) / size) * size - 90;
      const west = Math.floor((cluster.longitude + 180) / size) * size - 180;
      const north = Math.min(south + size, 90);
      const near = groups.find((group) => Math.hypot(group.x - x, group.y - y) < APART);
      if (near) {
        near.count += cluster.count;
        const [down, left, up, right] = near.box;
        const beside = west + 360 * Math.round((left - west) / 360); // the date line may lie between
        near.box = [Math.min(down, south), Math.min(left, beside), Math.max(up, north), Math.max(right, beside + size)];
      } else groups.push({ ...cluster, x, y, box: [south, west, north, west + size] });
    }
    for (const group of groups) group.box = onEarth(group.box);
    return groups;
  }

  /** Find out what the places are called. */
  async _name() {
    const ids = this.groups.map((group) => group.id).filter((id) => !this.places.has(id)).slice(0, 200);
    if (!ids.length) return;
    const { images } = await ask("POST", "/v1/images/lookup", { ids });
    for (const image of images) this.places.set(image.id, image.place ?? "");
  }

  /** Zoom in to a group, or show its photos where that would not part them. @param {Group} group */
  async _open(group) {
    if (group.count <= FEW) return this.told.photos(group.box);
    const found = await this._within(group.box);
    const to = this._fitting(extentOf(found.clusters));
    if (to.zoom < this.spot.zoom + 0.5 || found.clusters.length < 2) this.told.photos(group.box);
    else {
      this._fly(to);
      this._focus();
    }
  }

  /** @param {Group} group */
  _reveal(group) {
    if (!this._inSight(group)) this._go({ ...group, zoom: this.spot.zoom });
  }

  /** @param {Group} group */
  _inSight(group) {
    const { x, y } = this._pixels(group);
    return x > 0 && y > 0 && x < this.box.clientWidth && y < this.box.clientHeight;
  }

  _draw() {
    if (!this.visible) return;
    const total = this.groups.reduce((sum, group) => sum + (this._inSight(group) ? group.count : 0), 0);
    render(
      html`<div class="map" tabindex="0" role="group" aria-label="Map: arrows move it, plus and minus zoom, Tab goes to the photos"
          @pointerdown=${this._press}
          @dblclick=${(/** @type {MouseEvent} */ event) => this._zoom(1, this._inside(event))}
          @wheel=${this._wheel}>
        <canvas aria-hidden="true"></canvas>
        <ul aria-label="Photos on the map">${this.groups.map((group) => this._group(group))}</ul>
        <div class="map-tools">
          <button aria-label="Zoom in" @click=${() => this._zoom(1)}>+</button>
          <button aria-label="Zoom out" @click=${() => this._zoom(-1)}>−</button>
        </div>
        <div class="map-foot">
          <span class="scale" aria-hidden="true"></span>
          ${this.failure
            ? html`<span class="wrong" role="status">${this.failure}</span>`
            : html`<button ?disabled=${!total} @click=${() => this.told.photos(this._seen())}>${total
                ? html`Show ${photos(total)} here`
                : "No photo here says where it was taken"}</button>`}
        </div>
      </div>`,
      this.box,
    );
    this._place();
  }

  /** @param {Group} group */
  _group(group) {
    const place = this.places.get(group.id) ?? "";
    const many = photos(group.count);
    return html`<li><button class="spot digits-${String(group.count).length}" aria-label=${place ? `${many} near ${place}` : many}
      @focus=${() => this._reveal(group)} @click=${() => void this._open(group)}><img alt="" draggable="false" src=${thumbnail(group, 128)}>
      ${group.count > 1 ? html`<b>${group.count.toLocaleString(undefined, { notation: "compact" })}</b>` : ""}${place ? html`<span>${place.split(",")[0]}</span>` : ""}</button></li>`;
  }

  /** Put the groups and the scale where they belong. */
  _place() {
    const items = this.box.querySelectorAll(".map li");
    this.groups.forEach((group, i) => {
      const item = /** @type {HTMLElement | undefined} */ (items[i]);
      const { x, y } = this._pixels(group);
      if (item) item.style.transform = `translate(${x}px, ${y}px)`;
    });
    const scale = /** @type {HTMLElement | null} */ (this.box.querySelector(".scale"));
    const { spot } = this;
    if (!scale) return;
    const metres = (EARTH_M * Math.cos((spot.latitude * Math.PI) / 180)) / this._world;
    const power = 10 ** Math.floor(Math.log10(110 * metres));
    const length = power * (/** @type {number} */ ([5, 2, 1].find((each) => each * power <= 110 * metres)));
    scale.style.width = `${length / metres}px`;
    scale.textContent = length < 1000 ? `${length} m` : `${(length / 1000).toLocaleString()} km`;
  }

  _paint() {
    const canvas = this.box.querySelector("canvas");
    const pen = canvas?.getContext("2d");
    if (!canvas || !pen) return;
    const { width, height } = this._size;
    const dense = Math.min(devicePixelRatio, 2);
    canvas.width = width * dense;
    canvas.height = height * dense;
    const colours = getComputedStyle(this.box);
    const of = (/** @type {string} */ name) => colours.getPropertyValue(name);
    const [world, scale] = [this._world, this._world / SIDE];
    pen.fillStyle = of("--sea");
    pen.fillRect(0, 0, canvas.width, canvas.height);
    if (!this._land) return;
    const left = width / 2 - (this.spot.longitude / 360 + 0.5) * world;
    const top = height / 2 - down(this.spot.latitude) * world;
    pen.fillStyle = of("--land");
    pen.strokeStyle = of("--coast");
    for (let x = (left % world) - world; x < width + BEYOND * world; x += world) {
      if (x < -(1 + BEYOND) * world) continue;
      pen.setTransform(scale * dense, 0, 0, scale * dense, x * dense, top * dense);
      pen.lineWidth = 1 / scale;
      pen.fill(this._land);
      pen.stroke(this._land);
    }
  }

  /** @param {MouseEvent} event */
  _inside(event) {
    const { left, top } = this.box.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }

  _wheel = (/** @type {WheelEvent} */ event) => {
    event.preventDefault();
    const lines = event.deltaMode ? 30 : 1;
    this._zoom(within((-event.deltaY * lines) / (event.ctrlKey ? 60 : 240), -1, 1), this._inside(event));
  };

  _press = (/** @type {PointerEvent} */ event) => {
    const map = /** @type {HTMLElement} */ (event.currentTarget);
    if (event.button || /** @type {HTMLElement} */ (event.target).closest(".map-tools, .map-foot")) return;
    if (!this._held.size) {
      const ended = new AbortController();
      const until = { signal: ended.signal };
      const drop = (/** @type {PointerEvent} */ at) => {
        this._held.delete(at.pointerId);
        if (this._held.size) return;
        ended.abort();
        setTimeout(() => map.classList.remove("dragged"));
      };
      addEventListener("pointermove", (at) => this._drag(map, at), until);
      addEventListener("pointerup", drop, until);
      addEventListener("pointercancel", drop, until);
    }
    this._held.set(event.pointerId, this._inside(event));
  };

  /** @param {HTMLElement} map @param {PointerEvent} event */
  _drag(map, event) {
    const before = this._held.get(event.pointerId);
    if (!before) return;
    const now = this._inside(event);
    // a hand that trembles has not dragged: the click still counts
    if (!map.classList.contains("dragged") && Math.hypot(now.x - before.x, now.y - before.y) < 5) return;
    map.classList.add("dragged");
    const other = [...this._held].find(([id]) => id !== event.pointerId)?.[1];
    this._held.set(event.pointerId, now);
    if (!other) return this._pan(before.x - now.x, before.y - now.y);
    const apart = (/** @type {Pixels} */ at) => Math.max(Math.hypot(at.x - other.x, at.y - other.y), 1);
    this._pan((before.x - now.x) / 2, (before.y - now.y) / 2);
    this._zoom(Math.log2(apart(now) / apart(before)), { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
  }
}

/** @param {number} latitude Return how far down it lies: 0 at 85° north, 1 at 85° south. */
function down(latitude) {
  const sine = Math.sin((within(latitude, -85.0511, 85.0511) * Math.PI) / 180);
  return 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI);
}

/** @param {number} share Return the latitude that lies so far down. */
function up(share) {
  return (Math.atan(Math.sinh((0.5 - within(share, 0, 1)) * 2 * Math.PI)) * 180) / Math.PI;
}

/** @param {number} longitude Return the same, from -180 to 180. */
function turned(longitude) {
  return ((((longitude + 180) % 360) + 360) % 360) - 180;
}

/** @param {Spot} spot @param {number} height Keep the earth as high as the box, and its ends out of it. */
function limited({ latitude, longitude, zoom }, height) {
  const least = Math.log2(Math.max(height, TILE) / TILE);
  const large = within(zoom, least, DEEPEST);
  const edge = height / 2 / (TILE * 2 ** large);
  return { latitude: up(within(down(latitude), edge, 1 - edge)), longitude: turned(longitude), zoom: large };
}

/** @param {Point[]} points @returns {Box} the narrowest that holds them, and so many degrees around */
function extentOf(points, around = 0.002) {
  const latitudes = points.map((point) => point.latitude);
  const longitudes = points.map((point) => point.longitude).sort((a, b) => a - b);
  let east = longitudes[longitudes.length - 1];
  let west = longitudes[0];
  for (let i = 1; i < longitudes.length; i++) {
    if (longitudes[i] - longitudes[i - 1] > 360 + west - east) [west, east] = [longitudes[i], longitudes[i - 1] + 360];
  }
  const [south, north] = [Math.min(...latitudes) - around, Math.max(...latitudes) + around];
  return onEarth([Math.max(south, -90), west - around, Math.min(north, 90), east + around]);
}

/** @param {Box} box @returns {Box} the same; beyond the date line it goes on in the west */
function onEarth([south, west, north, east]) {
  if (east - west >= 360) return [south, -180, north, 180];
  return west < -180 || east > 180 ? [south, turned(west), north, turned(east)] : [south, west, north, east];
}

/** @param {string[]} rings as `tools/page/land.py` writes them */
function landOf(rings) {
  const land = new Path2D();
  for (const ring of rings) {
    let [at, x, y] = [0, 0, 0];
    const next = () => {
      let [value, shift, five] = [0, 0, 0];
      do {
        five = ring.charCodeAt(at++) - 63;
        value |= (five & 31) << shift;
        shift += 5;
      } while (five >= 32);
      return value & 1 ? -((value + 1) >> 1) : value >> 1;
    };
    for (let first = true; at < ring.length; first = false) {
      x += next();
      y += next();
      if (first) land.moveTo(x, y);
      else land.lineTo(x, y);
    }
    land.closePath();
  }
  return land;
}
