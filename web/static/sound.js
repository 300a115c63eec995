// All sound of the page: the microphone or a sample goes out, Parley's voice comes in, both are
// measured, and mixed for the recording.

export class Sound extends EventTarget {
  /** @param {HTMLAudioElement} player plays Parley's voice; browsers cancel its echo. */
  constructor(player) {
    super();
    this.player = player;
    this.muted = false;
    this.parts = [];
  }

  /** Opens everything that needs a gesture; the microphone is asked for unless `silent`. */
  async open({ silent = false, deviceId = "", record = true } = {}) {
    this.context = new AudioContext({ latencyHint: "interactive" });
    await this.context.audioWorklet.addModule("/static/levels.js");
    await this.context.resume();
    this.meter = new AudioWorkletNode(this.context, "levels", {
      numberOfInputs: 2,
      numberOfOutputs: 0,
    });
    this.meter.port.onmessage = ({ data }) =>
      this.dispatchEvent(
        "onset" in data
          ? new CustomEvent("onset", { detail: this.heardAt(data.onset) })
          : new CustomEvent("levels", { detail: data }),
      );
    this.out = this.context.createMediaStreamDestination();
    this.mix = this.context.createMediaStreamDestination();
    if (!silent) await this.openMicrophone(deviceId);
    if (record && window.MediaRecorder) this.startRecording();
  }

  async openMicrophone(deviceId) {
    if (!navigator.mediaDevices)
      throw new DOMException("Browsers give a microphone only to https pages, or to localhost.");
    this.microphone = await navigator.mediaDevices.getUserMedia({
      audio: {
        deviceId: deviceId ? { exact: deviceId } : undefined,
        echoCancellation: true,
        noiseSuppression: true,
        autoGainControl: true,
      },
    });
    const source = this.context.createMediaStreamSource(this.microphone);
    source.connect(this.meter, 0, 0);
    source.connect(this.mix);
  }

  /** What is sent: the microphone itself, or a silent track that samples are played into. */
  get outgoing() {
    return this.microphone?.getAudioTracks()[0] ?? this.out.stream.getAudioTracks()[0];
  }

  /** Parley's voice has arrived. */
  receive(stream) {
    this.player.srcObject = stream;
    this.player.play().catch(() => {});
    const source = this.context.createMediaStreamSource(stream);
    source.connect(this.meter, 0, 1);
    source.connect(this.mix);
  }

  mute(muted) {
    this.muted = muted;
    for (const track of this.microphone?.getAudioTracks() ?? []) track.enabled = !muted;
  }

  /** Plays a sound file into the call in place of the microphone; resolves when it is over. */
  async playSample(url, sender) {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`the sample is not there (${response.status})`);
    const buffer = await this.context.decodeAudioData(await response.arrayBuffer());
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    const quiet = this.context.createGain();
    quiet.gain.value = 0.5;
    source.connect(this.out);
    source.connect(this.meter, 0, 0);
    source.connect(this.mix);
    source.connect(quiet).connect(this.context.destination);
    await sender.replaceTrack(this.out.stream.getAudioTracks()[0]);
    await new Promise((resolve) => {
      source.onended = resolve;
      source.start(this.context.currentTime + 0.1);
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    if (this.context.state !== "closed") await sender.replaceTrack(this.outgoing);
  }

  startRecording() {
    this.parts = [];
    this.recorder = new MediaRecorder(this.mix.stream);
    this.recorder.ondataavailable = ({ data }) => data.size && this.parts.push(data);
    this.recorder.start(1000);
  }

  /** The recording so far; null where there is none. */
  get recording() {
    return this.parts.length ? new Blob(this.parts, { type: this.recorder.mimeType }) : null;
  }

  /** When a moment of the audio thread's clock is at the ear, as far as the browser knows: ms. */
  heardAt(time) {
    const { contextTime, performanceTime } = this.context.getOutputTimestamp();
    if (performanceTime) return performanceTime + 1000 * (time - contextTime);
    const delay = this.context.outputLatency || this.context.baseLatency || 0;
    return performance.now() + 1000 * (time - this.context.currentTime + delay);
  }

  close() {
    if (this.recorder?.state === "recording") this.recorder.stop();
    for (const track of this.microphone?.getTracks() ?? []) track.stop();
    this.microphone = null;
    this.player.srcObject = null;
    this.context?.close();
  }
}
