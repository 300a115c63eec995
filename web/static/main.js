// The page: joins the call, the sound, what was said, and what the visitor presses.

import { Call, problemOf } from "./call.js";
import { CallClock, FirstSound } from "./clock.js";
import { keepKey, loadSettings, saveSettings, sessionOf, takeKey } from "./settings.js";
import { Sound } from "./sound.js";
import { Talk } from "./talk.js";

const $ = (id) => document.getElementById(id);
const settings = loadSettings();
const talk = new Talk($("log"), $("announce"));
let key = takeKey();
let info = { model: "", note: "", hint: "", voices: [], samples: [], iceServers: [] };
let call = null;
let sound = null;
let clock = new CallClock();
let firstSound = new FirstSound(clock);

// --- The call ----------------------------------------------------------------------------------

async function start({ silent = false } = {}) {
  show("connecting", "Connecting …");
  problem("");
  sound = new Sound($("remote"));
  sound.addEventListener("levels", ({ detail }) => level(Math.max(detail.you, detail.parley)));
  sound.addEventListener("onset", ({ detail }) => showHeard(firstSound.began(detail)));
  const options = { deviceId: settings.microphone, record: settings.recording };
  try {
    await sound.open({ silent, ...options });
  } catch (error) {
    // Without a microphone one can still type, or play a sample.
    problem(`No microphone: ${error.message} You can type, or play a question.`);
    sound.close();
    sound.context = null;
    await sound.open({ silent: true, ...options });
  }
  call = new Call();
  clock = new CallClock();
  firstSound = new FirstSound(clock);
  call.addEventListener("event", ({ detail }) => take(detail));
  call.addEventListener("end", ({ detail }) => finish(detail));
  try {
    await call.connect(sound, sessionOf(settings), { iceServers: info.iceServers, key });
  } catch (error) {
    finish(error.message);
    return false;
  }
  show("live", "Listening.");
  listMicrophones();
  return true;
}

function hangUp() {
  call?.end("");
}

function finish(reason) {
  if (!call) return;
  const ended = call;
  call = null;
  ended.end("");
  sound.close();
  level(0);
  floor("");
  show("idle", "The call is over. Press Talk for another one.");
  if (reason) problem(reason);
}

function take(event) {
  talk.take(event);
  switch (event.type) {
    case "session.created":
    case "session.updated":
      $("voice").textContent = event.session.audio.output.voice;
      $("voice").hidden = false;
      break;
    case "conversation.item.truncated":
      call.send("conversation.item.retrieve", { item_id: event.item_id });
      break;
    case "parley.latency": // of spoken turns only
      showHeard(firstSound.expect(event));
      break;
    case "parley.floor":
      clock.note(event.audio_ms, performance.now(), call?.roundTripMs ?? 0);
      showFloor(event.user, event.assistant);
      break;
    case "parley.history_trimmed":
      problem(
        event.summary
          ? "The conversation is long: of its beginning Parley remembers a summary."
          : "The conversation is long: Parley no longer remembers its beginning.",
      );
      break;
    case "error":
      problem(event.error.message);
      break;
  }
  $("stop").disabled = !call?.isAnswering;
  $("save-text").disabled = talk.isEmpty;
  $("save-sound").disabled = !sound?.recording;
}

function showHeard(found) {
  if (found) talk.browserHeard(found.id, found.milliseconds);
}

// --- What is shown -----------------------------------------------------------------------------

function show(state, status) {
  const label = { idle: "Talk", connecting: "Connecting", live: "Hang up" }[state];
  $("talk").dataset.state = state;
  $("talk").disabled = state === "connecting";
  $("talk-label").textContent = label;
  $("controls").hidden = state !== "live";
  $("hold").hidden = settings.turns !== "manual";
  $("floor").textContent = status;
  $("mute").setAttribute("aria-pressed", "false");
  $("mute").textContent = "Mute";
}

function showFloor(user, assistant) {
  const userTalks = ["speaking", "paused", "resuming"].includes(user);
  const who = userTalks ? "you" : assistant === "idle" ? "" : "parley";
  floor(who);
  const status =
    user === "paused" ? "You have paused." :
    userTalks ? "You have the floor." :
    assistant === "speaking" ? "Parley has the floor." :
    assistant === "held" ? "Parley waits: did you want to say something?" :
    assistant === "idle" ? "Listening." : "Parley is thinking.";
  if ($("floor").textContent !== status) $("floor").textContent = status;
}

function floor(who) {
  document.querySelector(".parties").dataset.floor = who;
  $("talk").dataset.floor = who;
}

function level(loudness) {
  // Loudness in dB from -50 to -10 as 0 to 1.
  const share = loudness > 0 ? (20 * Math.log10(loudness) + 50) / 40 : 0;
  document.documentElement.style.setProperty("--level", Math.min(1, Math.max(0, share)).toFixed(3));
}

function problem(text) {
  $("problem").textContent = text;
  $("problem").hidden = !text;
}

// --- What the visitor does ---------------------------------------------------------------------

$("talk").onclick = () => (call ? hangUp() : start());
$("stop").onclick = () => call?.interrupt();
$("mute").onclick = () => {
  const muted = !sound.muted;
  sound.mute(muted);
  $("mute").setAttribute("aria-pressed", muted);
  $("mute").textContent = muted ? "Muted" : "Mute";
};

$("write").onsubmit = async (submitted) => {
  submitted.preventDefault();
  const text = $("text").value.trim();
  if (!text || $("talk").disabled) return;
  if (!call && !(await start({ silent: true }))) return;
  call.write(text);
  $("text").value = "";
};

async function playSample(button, sample) {
  button.disabled = true;
  try {
    if (!call && !(await start({ silent: true }))) return;
    await sound.playSample(sample.url, call.sender);
    if (settings.turns === "manual") endTurn();
  } catch (error) {
    problem(`The question could not be played: ${error.message}`);
  } finally {
    button.disabled = false;
  }
}

function endTurn() {
  call?.send("input_audio_buffer.commit");
  call?.send("response.create");
}

function hold(isHeld) {
  if (!call || isHeld === "held" in $("hold").dataset) return;
  if (isHeld) {
    $("hold").dataset.held = "";
    if (call.isAnswering) call.interrupt();
    call.send("input_audio_buffer.clear");
  } else {
    delete $("hold").dataset.held;
    endTurn();
  }
}

$("hold").onpointerdown = () => hold(true);
$("hold").onpointerup = $("hold").onpointercancel = $("hold").onpointerleave = () => hold(false);
$("hold").onkeydown = ({ key: pressed, repeat }) => [" ", "Enter"].includes(pressed) && !repeat && hold(true);
$("hold").onkeyup = ({ key: pressed }) => [" ", "Enter"].includes(pressed) && hold(false);

document.onkeydown = (pressed) => {
  const typing = pressed.target.matches("input, textarea, select") || $("settings").open;
  if (!call || typing || pressed.ctrlKey || pressed.metaKey || pressed.altKey) return;
  if (pressed.key === "Escape") call.interrupt();
  else if (pressed.key.toLowerCase() === "m") $("mute").click();
};

$("save-text").onclick = () => save(new Blob([talk.asText()], { type: "text/plain" }), "txt");
$("save-sound").onclick = () => sound?.recording && save(sound.recording, "webm");

function save(blob, extension) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `parley-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.${extension}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// --- Settings ----------------------------------------------------------------------------------

const FIELDS = {
  voice: "value", speed: "value", turns: "value", modality: "value",
  microphone: "value", instructions: "value", recording: "checked",
};

$("open-settings").onclick = () => {
  for (const [name, property] of Object.entries(FIELDS)) $(`set-${name}`)[property] = settings[name];
  $("settings").showModal();
};

$("settings").onclose = () => {
  for (const [name, property] of Object.entries(FIELDS)) settings[name] = $(`set-${name}`)[property];
  saveSettings(settings);
  $("hold").hidden = settings.turns !== "manual";
  if ($("set-key").value) {
    key = $("set-key").value;
    keepKey(key);
    learn();
  }
  call?.send("session.update", { session: sessionOf(settings) });
};

async function listMicrophones() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  const microphones = devices.filter(({ kind, label }) => kind === "audioinput" && label);
  options($("set-microphone"), microphones.map(({ deviceId, label }) => [deviceId, label]));
}

function options(select, choices) {
  const all = [["", "the usual one"], ...choices];
  select.replaceChildren(...all.map(([value, label]) => new Option(label, value)));
}

/** Asks the server what it is. */
async function learn() {
  const response = await fetch("/parley.json", key ? { headers: { Authorization: `Bearer ${key}` } } : {});
  $("key-row").hidden = response.status !== 401 && !key;
  if (!response.ok) {
    problem(await problemOf(response));
    if (response.status === 401) $("settings").showModal();
    return;
  }
  info = await response.json();
  problem("");
  $("model").textContent = info.model;
  $("note").textContent = info.note;
  $("hint").textContent = info.hint;
  $("hint-row").hidden = !info.hint;
  options($("set-voice"), info.voices.map((voice) => [voice, voice]));
  options($("set-microphone"), []);
  $("samples").hidden = !info.samples.length;
  $("sample-list").replaceChildren(
    ...info.samples.map((sample) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = sample.text;
      button.onclick = () => playSample(button, sample);
      return button;
    }),
  );
}

window.onpagehide = hangUp;
show("idle", "Press Talk and say something.");
learn();
