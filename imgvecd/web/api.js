/** Asks the daemon, by way of the gateway, and hears from it. */

const CALM_MS = 1500; // changes come in bursts
const AGAIN_MS = 2000;

/** How commands are run where the page was started. */
export const commands = { imgvec: "imgvec" };

/** @param {number} status @param {string} detail what the daemon, or the gateway, said against it */
function problem(status, detail) {
  return Object.assign(new Error(detail), { status });
}

/** Return the JSON that a route answers. @param {string} method @param {string} path @param {any} [body] @param {AbortSignal} [signal] @returns {Promise<Answer>} */
export async function ask(method, path, body, signal) {
  const options = /** @type {RequestInit} */ ({ method, signal });
  if (method !== "GET") {
    options.headers = { "Content-Type": "application/json" };
    options.body = JSON.stringify(body ?? {});
  }
  const response = await fetch(path, options).catch((error) => {
    throw error.name === "AbortError" ? error : problem(0, `The page is not connected any more: run ${commands.imgvec} browse again.`);
  });
  const text = await response.text();
  if (!response.ok) {
    let detail = text.slice(0, 300) || response.statusText;
    try {
      detail = JSON.parse(text).detail;
    } catch { /* no JSON: the text says what there is to say */ }
    if (response.status === 403) detail = "Only the owner of this library may do that.";
    throw problem(response.status, detail);
  }
  return JSON.parse(text);
}

/** @param {string} path @param {Fields} fields */
export function withFields(path, fields) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined && value !== "") query.set(name, typeof value === "object" ? JSON.stringify(value) : value);
  }
  return query.size ? `${path}?${query}` : path;
}

/** @param {string} path @returns {[string, string]} its folder and its name */
export function splitPath(path) {
  const slash = path.lastIndexOf("/");
  return [path.slice(0, slash), path.slice(slash + 1)];
}

/** @param {ParentNode} of @param {string} selector @returns {HTMLElement} what is surely there */
export function child(of, selector) {
  return /** @type {HTMLElement} */ (of.querySelector(selector));
}

/** @param {string} id @returns {DocumentFragment} what the page's HTML has for it */
export function written(id) {
  return /** @type {any} */ (document.getElementById(id)).content.cloneNode(true);
}

/** @param {number} count */
export function photos(count) {
  return count === 1 ? "1 photo" : `${count.toLocaleString()} photos`;
}

/** @param {Say} say is told why, if it fails @param {() => Promise<void>} act */
export async function attempt(say, act) {
  try {
    await act();
  } catch (error) {
    say(error.message);
  }
}

/** @param {Pick<Item, "id" | "hash">} item @param {number} size */
export function thumbnail(item, size) {
  return withFields(`/v1/images/${item.id}/thumbnail`, { size, hash: item.hash?.slice(0, 16) });
}

/** @param {number} pixels */
export function thumbnailSize(pixels) {
  return [128, 256, 512, 1024].find((size) => size >= pixels * 0.9) ?? 2048;
}

/** What goes on in the daemon, as it happens; and who may find new matches. */
export class Live {
  /** @param {LiveEvents} told */
  constructor(told) {
    this.told = told;
    /** @type {EventSource | null} */
    this.events = null;
    /** @type {Answer | null} */
    this.state = null;
    this._changed = 0;
    this._lost = false;
    /** @type {AbortController | null} */
    this._following = null;
    /** @type {Fields | null} */
    this._request = null;
  }

  start() {
    const events = new EventSource("/v1/events");
    this.events = events;
    const on = (/** @type {string} */ kind, /** @type {(event: any) => void} */ act) =>
      events.addEventListener(kind, (message) => act(JSON.parse(/** @type {MessageEvent} */ (message).data)));
    events.onopen = () => {
      if (this._lost) {
        this._lost = false;
        this.told.back();
        this.told.changed();
      }
    };
    events.onerror = () => {
      this._lost = true;
      ask("GET", "/v1/health").catch((error) => this._lost && this.told.lost(error.message));
      if (events.readyState === EventSource.CLOSED) setTimeout(() => this.events === events && this.start(), AGAIN_MS);
    };
    on("status", (event) => this.known(event.status));
    // what is null is not sent
    on("progress", (event) => this.known({ ...this.state, pause: null, eta_s: null, ...event.progress }));
    on("root", ({ root }) => {
      const roots = this.state?.roots.map((each) => (each.path === root.path ? root : each));
      this.known({ ...this.state, roots });
      if (root.online !== false) this.told.back();
    });
    on("model", (event) => this.known({ ...this.state, move: null, ...event.model }));
    on("clock", () => {
      clearTimeout(this._changed);
      this._changed = setTimeout(() => this.told.changed(), CALM_MS);
    });
    this.follow(this._request);
  }

  /** Let go of the daemon until the next start, which tells that things may have changed. */
  stop() {
    this.events?.close();
    this.events = null;
    this._lost = true;
    this._following?.abort();
  }

  /** @param {any} state */
  known(state) {
    this.state = state;
    this.told.status(state);
  }

  /** @param {Fields | null} request Be told of new photos that match a search. */
  follow(request) {
    this._following?.abort();
    this._request = request;
    if (!request) return;
    const following = new AbortController();
    this._following = following;
    void this._listen(request, following.signal).catch(() => {});
  }

  /** @param {Fields} request @param {AbortSignal} signal */
  async _listen(request, signal) {
    const response = await fetch("/v1/search/live", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ...request, order: "score" }),
      signal,
    });
    if (!response.ok || !response.body) return;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const parts = (rest + value).split("\n\n");
      rest = parts.pop() ?? "";
      for (const part of parts) {
        const match = /^event: match$[\s\S]*^data: (.*)$/m.exec(part);
        if (match) this.told.match(JSON.parse(match[1]).hit);
      }
    }
  }
}
