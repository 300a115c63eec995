// Measures both sides of the call, 128 samples at a time: how loud they are, and how long after
// your last voice Parley's first sound comes out. It runs on the audio thread (AudioWorklet), whose
// clock is the sound card's.

const REPORT_S = 0.03;
const MIC_FACTOR = 3; // above the noise floor is voice
const MIC_LEAST = 0.004;
const REMOTE_LEAST = 0.002;
const REMOTE_SILENCE_S = 0.25; // before a sound counts as the first

class Levels extends AudioWorkletProcessor {
  constructor() {
    super();
    this.floor = 0.002;
    this.you = this.parley = 0;
    this.lastVoice = this.lastRemote = -10;
    this.reported = 0;
  }

  process([you, parley]) {
    const now = currentTime;
    const yours = loudness(you);
    const theirs = loudness(parley);
    this.floor += (yours < this.floor ? 0.2 : 0.0005) * (yours - this.floor);
    if (yours > Math.max(MIC_LEAST, MIC_FACTOR * this.floor)) this.lastVoice = now;
    if (theirs > REMOTE_LEAST) {
      if (now - this.lastRemote > REMOTE_SILENCE_S)
        this.port.postMessage({ onsetMs: 1000 * (now - this.lastVoice) });
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
