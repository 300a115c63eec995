// Measures both sides of the call, 128 samples at a time: how loud they are, and when Parley begins
// to sound. It runs on the audio thread (AudioWorklet), whose clock is the sound card's.

const REPORT_S = 0.03;
const REMOTE_LEAST = 0.002;
const REMOTE_SILENCE_S = 0.25; // before a sound counts as the first

class Levels extends AudioWorkletProcessor {
  constructor() {
    super();
    this.you = this.parley = 0;
    this.lastRemote = -10;
    this.reported = 0;
  }

  process([you, parley]) {
    const now = currentTime;
    const yours = loudness(you);
    const theirs = loudness(parley);
    if (theirs > REMOTE_LEAST) {
      if (now - this.lastRemote > REMOTE_SILENCE_S) this.port.postMessage({ onset: now });
      this.lastRemote = now;
    }
    this.you = Math.max(yours, 0.96 * this.you);
    this.parley = Math.max(theirs, 0.96 * this.parley);
    if (now - this.reported > REPORT_S) {
      this.reported = now;
      this.port.postMessage({ you: this.you, parley: this.parley });
    }
    return true;
  }
}

function loudness(input) {
  if (!input.length) return 0;
  let sum = 0;
  for (const value of input[0]) sum += value * value;
  return Math.sqrt(sum / input[0].length);
}

registerProcessor("levels", Levels);
