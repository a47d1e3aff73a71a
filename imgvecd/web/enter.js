/** Exchanges the secret for the cookie that opens the page. */

const form = /** @type {HTMLFormElement} */ (document.getElementById("enter"));
const why = /** @type {HTMLElement} */ (document.getElementById("why"));

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const secret = String(new FormData(form).get("secret") ?? "").trim();
  const response = await fetch("/enter", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ secret }),
  }).catch(() => null);
  if (response?.ok) location.replace("/");
  else why.textContent = response ? (await response.json()).detail : "No answer; try again.";
});
