/** What goes on in the daemon, as it happens; and who may find new matches. */

const CALM_MS = 1500; // changes come in bursts
const AGAIN_MS = 2000;

export class Live {
  /**
   * @param {LiveEvents} told
   */
  constructor(told) {
    this.told = told;
    /** @type {EventSource | null} */
    this.events = null;
    /** @type {any} */
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
      this.told.lost("imgvecd does not answer at the moment; trying again.");
      if (events.readyState === EventSource.CLOSED) setTimeout(() => this.events === events && this.start(), AGAIN_MS);
    };
    on("status", (event) => this._state(event.status));
    on("progress", (event) => this._state({ ...this.state, ...event.progress }));
    on("root", (event) => this._root(event.root));
    on("model", (event) => this._state({ ...this.state, ...event.model }));
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
  _state(state) {
    this.state = state;
    this.told.status(state);
  }

  /** @param {any} root */
  _root(root) {
    const roots = (this.state?.roots ?? []).map((/** @type {any} */ each) => (each.path === root.path ? root : each));
    this._state({ ...this.state, roots });
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
        if (!/^event: match$/m.test(part)) continue;
        const data = /^data: (.*)$/m.exec(part);
        if (data) this.told.match(JSON.parse(data[1]).hit);
      }
    }
  }
}
