// Where the browser's clock is on the call's own: the ms of your sound that the server has heard.
//
// The server tells who has the floor, and how much it has heard by then, the moment a sample comes
// in. That news has half a round trip behind it, and so has the sample. All else that can delay them
// (waiting, frames of 20 ms) only makes the call seem to have begun later, so the earliest counts.

const REMEMBERED = 12; // clocks drift, and losses may move them: a few turns back is enough

export class CallClock {
  constructor() {
    this.starts = [];
  }

  /** The server has heard so much, it tells us now; all in ms. */
  note(heard, now, roundTrip) {
    this.starts = [...this.starts, now - roundTrip - heard].slice(-REMEMBERED);
  }

  /** When the browser took in what the server counts as that ms of your sound; null: unknown. */
  at(heard) {
    return this.starts.length ? Math.min(...this.starts) + heard : null;
  }
}

/** Joins an answer's latency, which the server tells, with the moment when it began to sound. */
export class FirstSound {
  constructor(clock) {
    this.clock = clock;
  }

  /** A sound has begun, at that time; returns what `match` does. */
  began(now) {
    this.sound = now;
    return this.match();
  }

  /** An answer is on its way: the event `parley.latency`. */
  expect(event) {
    this.awaited = event;
    return this.match();
  }

  /** The answer's id, and the ms from your last voiced sample to its first at your ear; or null. */
  match() {
    if (!this.awaited || this.sound == null) return null;
    const { response_id: id, speech_end_ms: end, heard_ms: sent } = this.awaited;
    const sentAt = this.clock.at(end + sent);
    // What began before it was sent is something else, and so is what began long after.
    if (sentAt == null || this.sound < sentAt - 20 || this.sound > sentAt + 3000) return null;
    const milliseconds = this.sound - this.clock.at(end);
    this.awaited = this.sound = null;
    return { id, milliseconds };
  }
}
