// What the visitor has chosen, kept in this browser, and as the session understands it.

const STORE = "parley.settings";

const DEFAULTS = {
  voice: "",
  speed: 1,
  turns: "auto",
  modality: "audio",
  microphone: "",
  instructions: "",
  recording: true,
};

export function loadSettings() {
  try {
    return { ...DEFAULTS, ...JSON.parse(localStorage.getItem(STORE)) };
  } catch {
    return { ...DEFAULTS };
  }
}

export function saveSettings(settings) {
  try {
    localStorage.setItem(STORE, JSON.stringify(settings));
  } catch {
    // A browser that keeps nothing forgets them; the page works all the same.
  }
}

/** The key from the address (#key=…), which then no longer shows it, or from before. */
export function takeKey() {
  const given = new URLSearchParams(location.hash.slice(1)).get("key");
  if (given) {
    sessionStorage.setItem("parley.key", given);
    history.replaceState(null, "", location.pathname + location.search);
  }
  return sessionStorage.getItem("parley.key") ?? "";
}

export function keepKey(key) {
  sessionStorage.setItem("parley.key", key);
}

/** The session object of the protocol. */
export function sessionOf(settings) {
  return {
    type: "realtime",
    ...(settings.instructions ? { instructions: settings.instructions } : {}),
    output_modalities: [settings.modality],
    include: ["parley.floor", "parley.latency", "parley.history_trimmed", "parley.tool_call"],
    audio: {
      input: { transcription: {}, turn_detection: turnDetection(settings.turns) },
      output: {
        ...(settings.voice ? { voice: settings.voice } : {}),
        speed: Number(settings.speed),
      },
    },
  };
}

function turnDetection(turns) {
  if (turns === "manual") return null;
  if (turns === "server_vad") return { type: "server_vad" };
  return { type: "semantic_vad", eagerness: turns };
}
