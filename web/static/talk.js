// What was said, as it is said: one line of the log for each item of the conversation.

import { makeStrip } from "./strip.js";

export class Talk {
  /** @param {HTMLOListElement} list @param {HTMLElement} announcer for screen readers */
  constructor(list, announcer) {
    this.list = list;
    this.announcer = announcer;
    this.items = new Map();
    this.responses = new Map();
  }

  get isEmpty() {
    return this.items.size === 0;
  }

  /** Shows what a server event tells; other events are none of its affair. */
  take(event) {
    switch (event.type) {
      case "input_audio_buffer.speech_started":
        this.item(event.item_id, "you").draft = true;
        break;
      case "conversation.item.added":
        this.added(event.item);
        break;
      case "conversation.item.deleted":
        this.remove(event.item_id);
        break;
      case "conversation.item.input_audio_transcription.delta":
        this.append(event.item_id, "you", event.delta);
        break;
      case "conversation.item.input_audio_transcription.completed":
        this.finish(event.item_id, "you", event.transcript);
        break;
      case "response.output_audio_transcript.delta":
      case "response.output_text.delta":
        this.responses.set(event.response_id, event.item_id);
        this.append(event.item_id, "parley", event.delta);
        break;
      case "response.output_audio_transcript.done":
        this.finish(event.item_id, "parley", event.transcript);
        break;
      case "response.output_text.done":
        this.finish(event.item_id, "parley", event.text);
        break;
      case "response.function_call_arguments.done":
        this.item(event.item_id, "call").set(`${event.name}(${event.arguments})`);
        break;
      case "parley.tool_call": // one that the server makes itself: first the call, then its result
        this.item(event.call_id, "call").set(
          `${event.name}(${event.arguments})${event.output === null ? "" : ` → ${event.output}`}`,
        );
        break;
      case "conversation.item.retrieved":
        this.heard(event.item);
        break;
      case "parley.latency":
        this.latency(event.response_id, event);
        break;
    }
  }

  item(id, by) {
    let item = this.items.get(id);
    if (!item) {
      item = new Line(by);
      this.items.set(id, item);
      this.list.append(item.element);
      document.body.dataset.talking = "";
      this.follow();
    }
    return item;
  }

  /** Keeps the newest line in sight, unless the reader has scrolled back. */
  follow() {
    const view = this.list.parentElement;
    const behind = view.scrollHeight - view.scrollTop - view.clientHeight;
    if (behind < 240) view.scrollTop = view.scrollHeight;
  }

  added(item) {
    if (item.type !== "message" || item.role !== "user") return;
    const text = item.content.find((part) => part.type === "input_text")?.text;
    const line = this.item(item.id, "you");
    if (text) line.set(text);
    line.draft = !text;
  }

  append(id, by, delta) {
    const line = this.item(id, by);
    line.set(line.text + delta);
    this.follow();
  }

  finish(id, by, text) {
    const line = this.item(id, by);
    line.set(text);
    line.draft = false;
    this.announcer.textContent = `${by === "you" ? "You" : "Parley"}: ${text}`;
  }

  remove(id) {
    this.items.get(id)?.element.remove();
    this.items.delete(id);
  }

  /** Of an answer that was cut off, the server knows which words were heard. */
  heard(item) {
    const text = item.content?.[0]?.transcript;
    if (item.role === "assistant" && text != null) this.items.get(item.id)?.cut(text);
  }

  latency(responseId, marks) {
    this.items.get(this.responses.get(responseId))?.measure(marks);
    this.follow();
  }

  /** When the browser heard the answer, ms after your last voice. */
  browserHeard(responseId, milliseconds) {
    this.items.get(this.responses.get(responseId))?.measure({ browser_ms: milliseconds });
    this.follow();
  }

  /** Everything as plain text. */
  asText() {
    const lines = [...this.items.values()].map((line) => {
      const heard = line.unheard ? `${line.text} [not heard: ${line.unheard}]` : line.text;
      return `${line.time.toLocaleTimeString()}  ${line.name}: ${heard}`;
    });
    return `${lines.join("\n")}\n`;
  }
}

class Line {
  constructor(by) {
    this.name = { you: "You", parley: "Parley", call: "Parley calls" }[by];
    this.time = new Date();
    this.text = this.unheard = "";
    this.marks = {};
    this.element = document.createElement("li");
    this.element.className = by;
    const name = document.createElement("span");
    name.className = "by";
    name.textContent = this.name;
    this.words = document.createElement("p");
    this.words.className = "words";
    this.element.append(name, this.words);
  }

  set draft(isDraft) {
    this.element.classList.toggle("draft", isDraft);
  }

  set(text) {
    this.text = text;
    this.words.textContent = text;
  }

  cut(heard) {
    if (this.unheard || heard.length >= this.text.length) return;
    this.unheard = this.text.slice(heard.length).trim();
    this.set(heard);
    const rest = document.createElement("span");
    rest.className = "unheard";
    rest.textContent = ` ${this.unheard}`;
    rest.title = "You did not hear this; nor does Parley remember having said it.";
    this.words.append(rest);
  }

  measure(marks) {
    Object.assign(this.marks, marks);
    const strip = makeStrip(this.marks);
    this.strip?.replaceWith(strip);
    if (!this.strip) this.element.append(strip);
    this.strip = strip;
  }
}
