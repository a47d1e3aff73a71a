/** Asks the daemon, by way of the gateway. */

/** How commands are run where the page was started. */
export const commands = { imgvec: "imgvec" };

/** What the daemon, or the gateway, said against it. */
class Problem extends Error {
  /** @param {number} status @param {string} detail */
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/**
 * Return the JSON that a route answers.
 * @param {string} method
 * @param {string} path
 * @param {any} [body]
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function ask(method, path, body, signal) {
  const options = /** @type {RequestInit} */ ({ method, signal });
  if (method !== "GET") {
    options.headers = { "Content-Type": "application/json" };
    options.body = JSON.stringify(body ?? {});
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, `The page is not connected any more: run ${commands.imgvec} browse again.`);
  }
  const text = await response.text();
  if (!response.ok) {
    let detail = text.slice(0, 300) || response.statusText;
    try {
      detail = JSON.parse(text).detail;
    } catch { /* no JSON: the text says what there is to say */ }
    throw new Problem(response.status, detail);
  }
  return JSON.parse(text);
}

/** @param {string} path @param {Fields} fields */
export function withFields(path, fields) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined && value !== "") {
      query.set(name, typeof value === "object" ? JSON.stringify(value) : String(value));
    }
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** @param {string} path @returns {[string, string]} its folder and its name */
export function splitPath(path) {
  const slash = path.lastIndexOf("/");
  return [path.slice(0, slash), path.slice(slash + 1)];
}

/** @param {(text: string) => void} say is told why, if it fails @param {() => Promise<void>} act */
export async function attempt(say, act) {
  try {
    await act();
  } catch (error) {
    say(error.message);
  }
}

/** @param {Item} item @param {number} size */
export function thumbnail(item, size) {
  return withFields(`/v1/images/${item.id}/thumbnail`, { size, hash: item.hash });
}

/** @param {number} pixels */
export function thumbnailSize(pixels) {
  return [128, 256, 512, 1024].find((size) => size >= pixels * 0.9) ?? 2048;
}
