/**
 * The grid: shows a window of a source, whatever its length. Browsers limit the height of a box, so the
 * sheet stands for a part of the whole that moves along (`base`). Cells are reused; focus stays on the grid.
 */

import { child, thumbnail, thumbnailSize, written } from "./api.js";
import { lastNotAbove, layOut, ratioOf, within } from "./layout.js";
import { Timeline } from "./sources.js";

const TALLEST = 4_000_000;
const GAP = 4;
const HEADING = 56;
const AHEAD = 400; // pixels rendered above and below what is seen
const FAST = 3; // screens in one frame: no pictures are asked for until it slows down
const SETTLED_MS = 90;
const AT_ONCE = 4; // pictures on their way, of the six connections that a browser has: the others wait, and may go unasked

export class Grid {
  /** @param {HTMLElement} box the element that scrolls @param {GridEvents} told */
  constructor(box, told) {
    this.box = box;
    this.told = told;
    this.sheet = child(box, ".sheet");
    /** @type {Source | null} */
    this.source = null;
    this.layout = this._laidOut(1);
    this._whole = 0;
    this.base = 0;
    this.active = 0;
    this.anchor = 0;
    /** @type {Set<number>} */
    this.chosen = new Set();
    /** @type {Map<number, HTMLElement>} */
    this._cells = new Map();
    /** @type {Map<number, HTMLElement>} */
    this._headings = new Map();
    /** @type {HTMLElement[]} */
    this._spare = [];
    /** Addresses of pictures to be asked for. @type {Map<HTMLElement, string>} */
    this._wanted = new Map();
    /** Cells whose pictures are on their way. @type {Set<HTMLElement>} */
    this._coming = new Set();
    this._drawn = "";
    this._last = 0;
    this._fast = false;
    this._frame = 0;
    this._settling = 0;
    box.addEventListener("scroll", () => this._scrolled(), { passive: true });
    box.addEventListener("keydown", (event) => this._key(event));
    box.addEventListener("click", (event) => this._click(event));
    // pictures tell of themselves on the way down alone
    for (const [kind, name] of [["load", "shown"], ["error", "broken"]]) {
      box.addEventListener(kind, (event) => {
        const cell = /** @type {HTMLElement} */ (cellOf(event));
        cell.classList.add(name);
        this._coming.delete(cell);
        this._ask();
      }, true);
    }
    new ResizeObserver(() => this._resized()).observe(box);
  }

  /** Pixels from the top of everything to the top of what is seen. */
  get top() {
    return this.base + this.box.scrollTop;
  }

  /** The top of what is seen at the very end. */
  get most() {
    return Math.max(this.layout.height - this.box.clientHeight, 0);
  }

  get place() {
    const { starts, tops, rows } = this.layout;
    const row = lastNotAbove(tops, this.top + 1, rows);
    return { index: starts[row], offset: this.top - tops[row], active: this.active };
  }

  /** @param {Source} source @param {Place} [place] where to begin */
  show(source, place) {
    this.source = source;
    this.chosen.clear();
    source.onload = () => {
      if (this.source !== source) return;
      if (source.shapes.length !== this.layout.starts[this.layout.rows]) this.refresh();
      else this._render();
    };
    this.active = Math.min(place?.active ?? 0, Math.max(source.length - 1, 0));
    this._arrange();
    this.goTo(place ? this._topOf(place.index) + place.offset : 0);
    this.told.selected();
  }

  /** Lay out anew what the source has now, and stay where we are. @param {number} [more] photos before all others */
  refresh(more = 0) {
    const place = this.place;
    this.chosen = new Set([...this.chosen].map((index) => index + more));
    this.active += more;
    this.anchor += more;
    this._arrange();
    this.goTo(this._topOf(place.index && place.index + more) + place.offset);
  }

  /** @param {number} top in pixels from the top of everything */
  goTo(top) {
    this._rebase(within(top, 0, this.most));
    this._render();
  }

  /** @param {number} index Have a photo in the middle of what is seen, and make it the active one. */
  reveal(index) {
    this._activate(index);
    const row = this._rowOf(index);
    const top = this.layout.tops[row];
    this.goTo(top - (this.box.clientHeight - this.layout.heights[row]) / 2);
  }

  /** @param {number} index Go to a photo as to the beginning of a section. */
  jump(index) {
    this._activate(index);
    this.goTo(this._topOf(index) - HEADING);
  }

  /** Ask again for pictures that did not come. */
  retry() {
    for (const cell of this._cells.values()) if (cell.classList.contains("broken")) this._blank(cell);
    this._render();
  }

  unselect() {
    this.chosen.clear();
    this._render();
    this.told.selected();
  }

  /** @param {number} index Return the share of a photo that is seen; 0 and less: none. */
  seen(index) {
    const row = this._rowOf(index);
    const height = this.layout.heights[row];
    const top = this.layout.tops[row] - this.top;
    return (Math.min(top + height, this.box.clientHeight) - Math.max(top, 0)) / height;
  }

  /** @param {number} width */
  _laidOut(width) {
    const { shapes = new Uint8Array(), sections = [] } = this.source ?? {};
    const heading = sections.some((section) => section.title) ? HEADING : 8;
    return layOut(shapes, sections, { width, rowHeight: width < 600 ? 110 : within(width / 6, 170, 260), gap: GAP, heading });
  }

  _arrange() {
    const width = this.sheet.clientWidth || this.box.clientWidth;
    this.layout = this._laidOut(width);
    this._whole = this.layout.height + 24;
    this.sheet.style.height = `${Math.min(this._whole, TALLEST)}px`;
    this._width = width;
    for (const heading of this._headings.values()) heading.remove();
    this._headings.clear();
  }

  _resized() {
    if (this.source && this.sheet.clientWidth !== this._width) this.refresh();
    else this._render();
  }

  /** @param {number} wanted Choose the base so that there is room to scroll both ways. */
  _rebase(wanted) {
    this.base = within(wanted - TALLEST / 2, 0, Math.max(this._whole - TALLEST, 0));
    this.box.scrollTop = wanted - this.base;
    this._last = wanted;
  }

  _scrolled() {
    const view = this.box.clientHeight;
    const place = this.box.scrollTop;
    const edge = TALLEST / 8;
    const nearTop = place < edge && this.base > 0;
    const nearEnd = place > TALLEST - edge - view && this.base < this._whole - TALLEST;
    if (nearTop || nearEnd) this._rebase(this.top);
    this._fast = Math.abs(this.top - this._last) > FAST * view;
    clearTimeout(this._settling);
    if (this._fast) this._settling = setTimeout(() => { this._fast = false; this._render(); }, SETTLED_MS);
    this._last = this.top;
    this._frame ||= requestAnimationFrame(() => {
      this._frame = 0;
      this._render(true);
    });
  }

  /** @param {boolean} [moved] nothing else has changed */
  _render(moved) {
    const { source, top, most } = this; // before anything is written, which would have browsers lay out again
    if (!source) return;
    const { starts, tops, rows } = this.layout;
    const first = lastNotAbove(tops, top - AHEAD, rows);
    const last = Math.min(lastNotAbove(tops, top + this.box.clientHeight + AHEAD, rows) + 1, rows);
    const drawn = [first, last, this.base, this._fast].join();
    if (!moved || drawn !== this._drawn) {
      this._drawn = drawn;
      for (const [index, cell] of this._cells) {
        if (index >= starts[first] && index < starts[last]) continue;
        this._cells.delete(index);
        this._blank(cell);
        this._spare.push(cell);
      }
      // what is seen is asked for first
      const seen = lastNotAbove(tops, top, rows);
      for (let row = seen; row < last; row++) this._renderRow(source, row);
      for (let row = first; row < Math.min(seen, last); row++) this._renderRow(source, row);
      for (const cell of this._spare) cell.remove();
      this._renderHeadings(source, tops[first] - HEADING, tops[last]);
      this._tellActive();
      this._ask();
    }
    this.told.moved(top, most);
  }

  /** Ask for the next pictures. */
  _ask() {
    for (const [cell, address] of this._wanted) {
      if (this._coming.size >= AT_ONCE) return;
      this._wanted.delete(cell);
      this._coming.add(cell);
      pictureOf(cell).src = address;
    }
  }

  /** @param {HTMLElement} cell */
  _blank(cell) {
    this._wanted.delete(cell);
    this._coming.delete(cell);
    pictureOf(cell).removeAttribute("src"); // whoever still makes it is told to stop
    cell.classList.remove("shown", "broken", "elsewhere");
    cell.dataset.photo = "";
    cell.ariaLabel = "Photo";
  }

  /** @param {Source} source @param {number} row */
  _renderRow(source, row) {
    const { starts, tops, heights } = this.layout;
    let left = 0;
    for (let index = starts[row]; index < starts[row + 1]; index++) {
      const width = ratioOf(source.shapes[index]) * heights[row];
      let cell = this._cells.get(index);
      if (!cell) {
        cell = this._spare.pop() ?? child(written("cell"), ".cell");
        cell.id = `photo-${index}`;
        cell.dataset.index = `${index}`;
        cell.ariaPosInSet = `${index + 1}`;
        this._cells.set(index, cell);
        if (!cell.isConnected) this.sheet.append(cell);
      }
      cell.style.transform = `translate(${left}px, ${tops[row] - this.base}px)`;
      cell.style.width = `${width}px`;
      cell.style.height = `${heights[row]}px`;
      cell.ariaSetSize = `${source.complete ? source.length : -1}`;
      this._fill(cell, source, index, Math.max(width, heights[row]));
      left += width + GAP;
    }
  }

  /** @param {HTMLElement} cell @param {Source} source @param {number} index @param {number} side */
  _fill(cell, source, index, side) {
    cell.classList.toggle("active", index === this.active);
    cell.ariaSelected = `${this.chosen.has(index)}`;
    if (this._fast) return;
    const item = source.at(index);
    if (cell.dataset.photo === `${item?.id}`) return;
    this._blank(cell);
    if (!item) return;
    cell.dataset.photo = `${item.id}`;
    cell.dataset.band = item.band ?? "";
    cell.ariaLabel = item.label;
    cell.classList.toggle("elsewhere", item.source !== undefined);
    if (item.source !== undefined) return;
    this._wanted.set(cell, thumbnail(item, thumbnailSize(side * Math.min(devicePixelRatio, 2))));
  }

  /** @param {Source} source @param {number} from @param {number} to */
  _renderHeadings(source, from, to) {
    const { headings } = this.layout;
    for (const [s, heading] of this._headings) {
      if (headings[s] < from || headings[s] >= to) {
        heading.remove();
        this._headings.delete(s);
      }
    }
    for (let s = lastNotAbove(headings, from, headings.length); s < headings.length && headings[s] < to; s++) {
      const section = source.sections[s];
      if (!section.title || headings[s] < from) continue;
      let heading = this._headings.get(s);
      if (!heading) {
        heading = document.createElement("div");
        heading.className = "heading";
        heading.role = "presentation";
        heading.textContent = section.title;
        this._headings.set(s, heading);
        this.sheet.append(heading);
      }
      heading.style.transform = `translateY(${headings[s] - this.base}px)`;
    }
  }

  _tellActive() {
    this.box.setAttribute("aria-activedescendant", this._cells.has(this.active) ? `photo-${this.active}` : "");
  }

  /** @param {number} index */
  _rowOf(index) {
    return lastNotAbove(this.layout.starts, index, this.layout.rows);
  }

  /** @param {number} index */
  _topOf(index) {
    return this.layout.tops[this._rowOf(index)];
  }

  /** @param {number} index */
  _activate(index) {
    this._cells.get(this.active)?.classList.remove("active");
    this.active = within(index, 0, Math.max((this.source?.length ?? 1) - 1, 0));
    this._cells.get(this.active)?.classList.add("active");
  }

  /** @param {number} index @param {boolean} [extend] Move the active photo, and see that it is seen. */
  _move(index, extend) {
    const before = this.active;
    this._activate(index);
    if (extend) {
      if (!this.chosen.size) this.anchor = before;
      this.chosen.clear();
      this._choose(this.active);
      this.told.selected();
    }
    const row = this._rowOf(this.active);
    const top = this.layout.tops[row];
    const bottom = top + this.layout.heights[row];
    if (top - HEADING < this.top) this.goTo(top - HEADING);
    else if (bottom + 8 > this.top + this.box.clientHeight) {
      this.goTo(bottom + 8 - this.box.clientHeight);
    } else this._render();
  }

  /** @param {number} rows Return the photo so many rows on that lies nearest to the active one. */
  _vertical(rows) {
    const row = this._rowOf(this.active);
    const wanted = within(row + rows, 0, this.layout.rows - 1);
    if (wanted === row) return rows * Infinity;
    const middle = this._middle(row, this.active);
    let best = this.layout.starts[wanted];
    for (let i = best; i < this.layout.starts[wanted + 1]; i++) {
      if (Math.abs(this._middle(wanted, i) - middle) < Math.abs(this._middle(wanted, best) - middle)) best = i;
    }
    return best;
  }

  /** @param {number} row @param {number} index */
  _middle(row, index) {
    let left = 0;
    for (let i = this.layout.starts[row]; i < index; i++) {
      left += ratioOf(this.source?.shapes[i] ?? 128) * this.layout.heights[row] + GAP;
    }
    return left + (ratioOf(this.source?.shapes[index] ?? 128) * this.layout.heights[row]) / 2;
  }

  /** @param {KeyboardEvent} event */
  _key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.source?.length) return;
    // after scrolling by other means, keys are meant for what is seen
    if (this.seen(this.active) <= 0) this._activate(this.place.index);
    const page = Math.max(1, Math.floor(this.box.clientHeight / 260));
    const steps = /** @type {Steps} */ ({
      ArrowLeft: () => this.active - 1,
      ArrowRight: () => this.active + 1,
      ArrowUp: () => this._vertical(-1),
      ArrowDown: () => this._vertical(1),
      PageUp: () => this._vertical(-page),
      PageDown: () => this._vertical(page),
      Home: () => 0,
      End: () => Infinity,
    });
    if (event.key in steps) {
      event.preventDefault();
      this._move(steps[event.key](), event.shiftKey);
    } else if (event.key === "Enter") {
      event.preventDefault();
      this.told.open(this.active);
    } else if (event.key === "x" || event.key === "X") {
      this.toggle(this.active, event.shiftKey);
    }
  }

  /** @param {number} index @param {boolean} range */
  toggle(index, range) {
    if (range && this.chosen.size) this._choose(index);
    else if (!this.chosen.delete(index)) {
      this.chosen.add(index);
      this.anchor = index;
    }
    this._render();
    this.told.selected();
  }

  /** @param {number} to Select all from the anchor on. */
  _choose(to) {
    for (let i = Math.min(this.anchor, to); i <= Math.max(this.anchor, to); i++) this.chosen.add(i);
  }

  /** @param {MouseEvent} event */
  _click(event) {
    const cell = cellOf(event);
    if (!cell) return;
    const index = Number(cell.dataset.index);
    this._activate(index);
    const onMark = event.offsetX < 36 && event.offsetY < 36 && event.detail > 0;
    if (event.ctrlKey || event.metaKey || event.shiftKey || onMark) this.toggle(index, event.shiftKey);
    else {
      this._tellActive();
      this.told.open(index);
    }
  }
}

/** The strip beside the timeline: years to jump to, and where we are. */
export class Scrubber {
  /** @param {HTMLElement} box @param {Grid} grid */
  constructor(box, grid) {
    this.box = box;
    this.grid = grid;
    this.track = child(box, ".track");
    this.thumb = child(box, ".thumb");
    this.label = child(this.thumb, "span");
    this._at = -1;
    /** @type {Timeline | null} */
    this.source = null;
    box.addEventListener("pointerdown", (event) => this._grab(event));
    this.thumb.addEventListener("keydown", (event) => this._key(event));
  }

  /** @param {Source} source */
  use(source) {
    this.source = source instanceof Timeline && source.sections.length > 1 ? source : null;
    this.box.hidden = !this.source;
    document.body.classList.toggle("scrubbed", Boolean(this.source));
    if (!this.source) return;
    const { height, headings } = this.grid.layout;
    this.thumb.ariaValueMax = `${this.source.sections.length - 1}`;
    this.track.textContent = "";
    let last = "";
    let lowest = -1;
    this.source.sections.forEach((section, i) => {
      const share = headings[i] / Math.max(height, 1);
      const short = section.month.slice(0, 4);
      if (short === last || share - lowest < 0.028) return;
      last = short;
      lowest = share;
      const year = document.createElement("span");
      year.textContent = /^\d/.test(short) ? short : "–";
      year.style.top = `${100 * share}%`;
      this.track.append(year);
    });
    this._at = -1; // other months
    this.show(this.grid.top, this.grid.most);
  }

  /** @param {number} top @param {number} most it can be */
  show(top, most) {
    if (!this.source) return;
    const sections = this.source.sections;
    const at = lastNotAbove(this.grid.layout.headings, top + 1, sections.length);
    this.thumb.style.top = `${100 * within(top / most || 0, 0, 1)}%`;
    if (this._at === at) return;
    this._at = at;
    this.thumb.ariaValueNow = `${at}`;
    this.thumb.ariaValueText = this.label.textContent = sections[at]?.title ?? "";
  }

  /** @param {PointerEvent} event */
  _grab(event) {
    event.preventDefault();
    this.box.setPointerCapture(event.pointerId);
    this.box.classList.add("held");
    const move = (/** @type {PointerEvent} */ at) => {
      const { top, height } = this.track.getBoundingClientRect();
      const share = within((at.clientY - top) / height, 0, 1);
      this.grid.goTo(share * this.grid.most);
    };
    this.box.onpointermove = move;
    this.box.onlostpointercapture = () => {
      this.box.classList.remove("held");
      this.box.onpointermove = null;
    };
    move(event);
  }

  /** @param {KeyboardEvent} event */
  _key(event) {
    const sections = this.source?.sections ?? [];
    const at = this._at;
    const steps = /** @type {Record<string, number>} */ ({
      ArrowUp: at - 1, ArrowLeft: at - 1, ArrowDown: at + 1, ArrowRight: at + 1,
      PageUp: at - 12, PageDown: at + 12, Home: 0, End: sections.length - 1,
    });
    if (!(event.key in steps)) return;
    event.preventDefault();
    event.stopPropagation();
    const section = sections[within(steps[event.key], 0, sections.length - 1)];
    if (section) this.grid.jump(section.start);
  }
}

/** @param {HTMLElement} cell */
function pictureOf(cell) {
  return /** @type {HTMLImageElement} */ (cell.firstChild);
}

/** @param {Event} event @returns {HTMLElement | null} */
function cellOf({ target }) {
  return /** @type {HTMLElement} */ (target).closest(".cell");
}
