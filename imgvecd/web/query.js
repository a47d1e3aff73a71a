/** The language of `imgvec search`, as typed into one box: `beach +sunset -people 2:red #316`. */

const HEAVIEST = 10;

/**
 * Return the terms and the plain text of a query.
 * @param {string} typed
 * @returns {{text?: string, terms: Fields[]}}
 */
export function parse(typed) {
  const words = [];
  const terms = [];
  for (const [, sign, quotedTerm, bare] of typed.matchAll(/(?:([+-]?(?:\d+(?:\.\d+)?:)?)"([^"]*)"?)|(\S+)/g)) {
    const word = bare ?? `${sign}${quotedTerm}`;
    const term = termOf(word);
    if (term) terms.push(term);
    else if (word.trim()) words.push(word.trim());
  }
  const text = words.join(" ");
  return text ? { text, terms } : { terms };
}

/** @param {string} word @returns {Fields | null} */
function termOf(word) {
  const signed = /^[+-](?=[^\s\d=]|\d+(?:\.\d+)?:\S)/.exec(word);
  let weight = word[0] === "-" ? -1 : 1;
  let rest = signed ? word.slice(1) : word;
  const weighted = /^(\d+(?:\.\d+)?):(?=\S)/.exec(rest);
  const heavy = weighted && Number(weighted[1]) <= HEAVIEST ? weighted : null;
  if (heavy) {
    weight *= Number(heavy[1]);
    rest = rest.slice(heavy[0].length);
  }
  if (/^#\d+$/.test(rest)) return { id: Number(rest.slice(1)), weight };
  if ((!signed && !heavy) || !rest) return null;
  return { text: rest, weight };
}
