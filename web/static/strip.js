// The latency of one turn, counted from your last voiced sample.

const MARKS = [
  ["endpoint_ms", "turn over", "endpoint", "Parley took your turn to be over"],
  ["first_token_ms", "first word ready", "token", "The model had its first word, perhaps ahead of time"],
  ["first_audio_ms", "first sound ready", "audio", "The voice had made its first sound"],
  ["heard_ms", "sent", "sent", "The server sent the first sound"],
  ["browser_ms", "heard by you", "heard", "This browser played it: both ways through the network and its own buffers are in it"],
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
  for (const [key, label, kind, meaning] of known) {
    const mark = document.createElement("i");
    mark.className = kind;
    mark.style.left = `${(100 * Math.max(0, marks[key])) / longest}%`;
    bar.append(mark);
    const row = document.createElement("div");
    row.title = meaning;
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
