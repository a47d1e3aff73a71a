/** One photo, large: PhotoSwipe over whatever the grid shows. */

import { ask, thumbnail } from "./api.js";
import { wholeRatioOf, within } from "./layout.js";
import PhotoSwipe from "./vendor/photoswipe.esm.min.js";

const SIZES = [1024, 2048, 4096];
const SIDE = 4096; // until the photo's own size is known
const KNOWN = 300; // photos whose sizes are kept

/** What was last known of photos, by id. @type {Map<number, any>} */
const details = new Map();

/** @param {number} id Return all that is known of a photo. */
export async function detailsOf(id) {
  const found = await ask("GET", `/v1/images/${id}`);
  details.delete(id);
  details.set(id, found);
  if (details.size > KNOWN) details.delete(details.keys().next().value ?? -1);
  return found;
}

export class Viewer {
  /** @param {ViewerEvents} told */
  constructor(told) {
    this.told = told;
    /** @type {any} */
    this.swipe = null;
    this.index = 0;
  }

  get open() {
    return this.swipe !== null;
  }

  /** @param {Source} source @param {number} index */
  show(source, index) {
    this.source = source;
    this.index = index;
    const ms = matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 180;
    const swipe = new PhotoSwipe({
      index,
      loop: false,
      bgOpacity: 1,
      spacing: 0.04,
      trapFocus: false,
      escKey: false, // see `close`
      returnFocus: false,
      clickToCloseNonZoomable: false,
      showHideAnimationType: "fade",
      hideAnimationDuration: ms,
      showAnimationDuration: ms,
      zoomAnimationDuration: ms,
      wheelToZoom: true,
      maxZoomLevel: 4,
      getViewportSizeFn: () => ({ x: swipe.element.clientWidth, y: swipe.element.clientHeight }),
      errorMsg: "This photo cannot be shown; the panel (i) says why.",
    });
    this.swipe = swipe;
    swipe.addFilter("numItems", () => source.length);
    swipe.addFilter("itemData", (/** @type {any} */ _data, /** @type {number} */ at) => this._data(at));
    swipe.on("uiRegister", () =>
      swipe.ui.registerElement({ name: "about", order: 9, isButton: true, title: "About this photo (i)", html: "i", onClick: this.told.about }));
    swipe.on("change", () => this._changed());
    swipe.on("openingAnimationEnd", () => this.resized());
    swipe.on("afterInit", () => {
      const box = swipe.element;
      box.ariaLabel = "Photo";
      swipe.scrollWrap.role = "region";
      swipe.scrollWrap.ariaLabel = "Photos";
      box.focus();
    });
    swipe.on("close", () => {
      this.swipe = null;
      this.told.closed(this.index);
    });
    swipe.init();
    void this._changed();
  }

  close() {
    const swipe = this.swipe;
    if (!swipe) return;
    // while it opens it would not listen
    if (swipe.opener.isOpen) swipe.close();
    else swipe.on("openingAnimationEnd", () => swipe.close());
  }

  resized() {
    this.swipe?.updateSize(true);
  }

  /** @param {number} by a factor */
  zoom(by) {
    const slide = this.swipe?.currSlide;
    slide?.zoomTo(slide.currZoomLevel * by);
  }

  /** @param {number} by */
  step(by) {
    this.swipe?.goTo(within(this.index + by, 0, (this.source?.length ?? 1) - 1));
  }

  /** @param {number} at */
  _data(at) {
    const item = this.source?.at(at);
    const ratio = wholeRatioOf(this.source?.shapes[at] ?? 128);
    if (!item) {
      void this.source?.get(at).then((found) => found && this.swipe?.refreshSlideContent(at));
      return { html: '<div class="waiting"></div>' };
    }
    if (item.source !== undefined) {
      return { html: Object.assign(document.createElement("div"), { className: "elsewhere", textContent: item.label }) };
    }
    const known = details.get(item.id);
    const width = known?.width || Math.round(SIDE * Math.min(ratio, 1));
    const height = known?.height || Math.round(SIDE / Math.max(ratio, 1));
    const wide = Math.min(width / height, 1);
    return {
      id: item.id,
      src: thumbnail(item, 2048),
      msrc: thumbnail(item, 512),
      srcset: SIZES.map((size) => `${thumbnail(item, size)} ${Math.round(size * wide)}w`).join(", "),
      width,
      height,
      alt: item.label,
    };
  }

  async _changed() {
    if (!this.swipe || !this.source) return;
    const index = this.swipe.currIndex;
    this.index = index;
    const item = await this.source.get(index);
    if (!item || this.index !== index || !this.swipe) return;
    this.told.shown(index, item.id);
  }
}
