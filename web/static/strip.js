// The latency of one turn, counted from your last voiced sample.

const MARKS = [
  ["endpoint_ms", "turn over", "endpoint"],
  ["first_token_ms", "first word ready", "token"],
  ["first_audio_ms", "first sound ready", "audio"],
  ["heard_ms", "sent", "sent"],
  ["browser_ms", "heard by you", "heard"],
];

/** @param {Record<string, number|null>} marks ms; what is missing did not happen, or not yet. */
export function makeStrip(marks) {
  const known = MARKS.filter(([key]) => marks[key] != null);
  const longest = Math.max(1000, ...known.map(([key]) => marks[key]));
  const strip = document.createElement("div");
  strip.className = "strip";
  const bar = document.createElement("div");
  bar.className = "bar";
  bar.ariaHidden = "true";
  const list = document.createElement("dl");
  for (const [key, label, kind] of known) {
    const mark = document.createElement("i");
    mark.className = kind;
    mark.style.left = `${(100 * Math.max(0, marks[key])) / longest}%`;
    bar.append(mark);
    const row = document.createElement("div");
    const name = document.createElement("dt");
    name.className = kind;
    name.textContent = label;
    const value = document.createElement("dd");
    value.textContent = `${Math.round(marks[key])} ms`;
    row.append(name, value);
    list.append(row);
  }
  strip.append(bar, list);
  return strip;
}
