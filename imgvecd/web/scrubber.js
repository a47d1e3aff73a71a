/** The strip beside the timeline: years to jump to, and where we are. */

import { Timeline } from "./sources.js";

export class Scrubber {
  /** @param {HTMLElement} box @param {Grid} grid */
  constructor(box, grid) {
    this.box = box;
    this.grid = grid;
    this.track = document.createElement("div");
    this.track.className = "track";
    this.thumb = document.createElement("div");
    this.thumb.className = "thumb";
    this.thumb.tabIndex = 0;
    this.thumb.setAttribute("role", "slider");
    this.thumb.setAttribute("aria-label", "Month");
    this.thumb.setAttribute("aria-orientation", "vertical");
    this.thumb.setAttribute("aria-valuemin", "0");
    this.label = document.createElement("span");
    this._at = -1;
    /** @type {Timeline | null} */
    this._of = null;
    /** @type {Timeline | null} */
    this.source = null;
    this.thumb.append(this.label);
    box.append(this.track, this.thumb);
    box.addEventListener("pointerdown", (event) => this._grab(event));
    this.thumb.addEventListener("keydown", (event) => this._key(event));
    this.hide();
  }

  hide() {
    this.box.hidden = true;
  }

  /** @param {Source} source */
  use(source) {
    this.source = source instanceof Timeline && source.sections.length > 1 ? source : null;
    this.box.hidden = !this.source;
    document.body.classList.toggle("scrubbed", Boolean(this.source));
    if (!this.source) return;
    const { height, headings } = this.grid.layout;
    this.thumb.setAttribute("aria-valuemax", String(this.source.sections.length - 1));
    this.track.textContent = "";
    let last = "";
    let lowest = -1;
    this.source.sections.forEach((section, i) => {
      const share = headings[i] / Math.max(height, 1);
      if (section.short === last || share - lowest < 0.028) return;
      last = section.short;
      lowest = share;
      const year = document.createElement("span");
      year.textContent = /^\d/.test(section.short) ? section.short : "–";
      year.style.top = `${100 * share}%`;
      this.track.append(year);
    });
    this.show(this.grid.place.index, this.grid.top);
  }

  /** @param {number} index first photo that is seen @param {number} top */
  show(index, top) {
    if (!this.source) return;
    const sections = this.source.sections;
    let at = sections.findIndex((section) => section.start > index);
    at = at < 0 ? sections.length - 1 : Math.max(at - 1, 0);
    const whole = Math.max(this.grid.layout.height - this.grid.box.clientHeight, 1);
    this.thumb.style.top = `${100 * Math.min(top / whole, 1)}%`;
    if (this._at === at && this._of === this.source) return;
    this._at = at;
    this._of = this.source;
    this.label.textContent = sections[at]?.title ?? "";
    this.thumb.setAttribute("aria-valuenow", String(at));
    this.thumb.setAttribute("aria-valuetext", sections[at]?.title ?? "");
  }

  /** @param {PointerEvent} event */
  _grab(event) {
    event.preventDefault();
    this.box.setPointerCapture(event.pointerId);
    this.box.classList.add("held");
    const move = (/** @type {PointerEvent} */ at) => {
      const { top, height } = this.track.getBoundingClientRect();
      const share = Math.min(Math.max((at.clientY - top) / height, 0), 1);
      this.grid.goTo(share * Math.max(this.grid.layout.height - this.grid.box.clientHeight, 0));
    };
    const drop = () => {
      this.box.classList.remove("held");
      this.box.removeEventListener("pointermove", move);
    };
    this.box.addEventListener("pointermove", move);
    this.box.addEventListener("pointerup", drop, { once: true });
    this.box.addEventListener("pointercancel", drop, { once: true });
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
    const section = sections[Math.min(Math.max(steps[event.key], 0), sections.length - 1)];
    if (section) this.grid.jump(section.start);
  }
}
