/** What the daemon is doing, and what can be done about it. */

import { ask, attempt, commands } from "./api.js";
import { html, render } from "./vendor/lit-html.js";

const SHOWN = 100;

export class Status {
  /** @param {HTMLElement} box @param {StatusEvents} told */
  constructor(box, told) {
    this.box = box;
    this.told = told;
    /** @type {any[]} */
    this.failures = [];
  }

  async open() {
    const [state, failed] = await Promise.all([ask("GET", "/v1/status"), ask("GET", `/v1/failures?limit=${SHOWN}`)]);
    this.failures = failed.failures;
    this.told.known(state);
  }

  /** @param {Answer} state */
  show(state) {
    const { files, model, move, pause } = state;
    const share = files.seen ? files.indexed / files.seen : 1;
    render(
      html`<div class="page">
        <h2>${headline(state)}</h2>
        <progress max="1" .value=${share} aria-label="Indexed"></progress>
        <p>${n(files.indexed)} of ${n(files.seen)} files can be searched${files.pending ? `, ${n(files.pending)} wait` : ""}${
          files.failed ? `, ${n(files.failed)} cannot be read` : ""}.
          ${files.pending && !pause && state.rate_per_s ? `${state.rate_per_s} a second${state.eta_s ? `, about ${lasting(state.eta_s)} left` : ""}.` : ""}</p>
        <div class="actions">
          ${pause
            ? html`<button class="main" @click=${() => this._act("/v1/resume", "Indexing goes on", { force: true })}>Resume</button><span>Paused: ${pause.reason}</span>`
            : html`<button @click=${() => this._act("/v1/pause", "Indexing rests; searches go on")}>Pause indexing</button>`}
          ${files.failed ? html`<button @click=${() => this._act("/v1/retry", "Trying again")}>Try failures again</button>` : ""}
        </div>
        ${state.warnings.map((warning) => html`<p class="wrong">${warning}</p>`)}
        <h3>Folders</h3>
        <ul class="roots">${state.roots.map((root) => html`<li class=${root.online === false ? "away" : ""}>
          <strong>${root.path}</strong><span>${n(root.files ?? 0)} files · ${root.online === false
            ? `offline${root.offline_since ? ` since ${new Date(root.offline_since).toLocaleString()}` : ""}: ${root.offline_reason}`
            : `online, watched by ${root.watching}`}</span></li>`)}</ul>
        <h3>Model</h3>
        <p>${model.name} ${model.pretrained} ${model.error ? html`<span class="wrong">${model.error}</span>` : ""} ${model.note ?? ""}</p>
        ${move
          ? html`<p>Moving to ${move.name} ${move.pretrained}: ${move.loading || `${n(move.indexed)} done, ${n(move.pending)} wait`}
              ${move.error ? html`<span class="wrong">${move.error}</span>` : ""}
              ${move.stopped || move.to_fetch_mb
                ? html`<button @click=${() => this._act("/v1/move/resume", "The move goes on")}>${move.to_fetch_mb ? `Fetch its ${move.to_fetch_mb} MB` : "Resume the move"}</button>`
                : html`<button @click=${() => this._act("/v1/move/stop", "The move is stopped")}>Stop the move</button>`}</p>`
          : ""}
        ${this.failures.length
          ? html`<h3>What cannot be read</h3><ul class="failures">${this.failures.map(
              (failure) => html`<li><strong>${failure.path}</strong><span>${failure.reason}: ${failure.message}</span></li>`)}</ul>
              ${this.failures.length === SHOWN ? html`<p>These are the first ${SHOWN}; <code>${commands.imgvec} failures</code> lists all.</p>` : ""}`
          : ""}
      </div>`,
      this.box,
    );
  }

  /** @param {string} path @param {string} done @param {any} [body] */
  _act(path, done, body) {
    return attempt(this.told.say, async () => {
      await ask("POST", path, body);
      this.told.say(done);
      await this.open();
    });
  }
}

/** @param {number} value */
function n(value) {
  return value.toLocaleString();
}

/** @param {any} state */
function headline(state) {
  if (state.pause && state.files.pending) return "Indexing is paused";
  if (state.files.pending) return "Indexing your photos";
  return state.state === "scanning" ? "Looking for changes" : "Everything is up to date";
}

/** @param {number} seconds */
function lasting(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
