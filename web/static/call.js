// A call by OpenAI's Realtime protocol: sound over WebRTC, events over the data channel
// "oai-events". Nothing here knows the page.

export class Call extends EventTarget {
  roundTripMs = 0;

  /**
   * Connects. Dispatches "event" with every server event, and "end" with a reason.
   * @param {Sound} sound what is sent and where Parley's voice goes.
   * @param {object} session what the session starts with.
   * @param {{iceServers: RTCIceServer[], key: string}} options
   */
  async connect(sound, session, { iceServers = [], key = "" }) {
    this.peer = new RTCPeerConnection({ iceServers });
    this.peer.ontrack = ({ streams, track, receiver }) => {
      receiver.jitterBufferTarget = 0; // as little as the network allows
      sound.receive(streams[0] ?? new MediaStream([track]));
    };
    this.peer.onconnectionstatechange = () => {
      if (["failed", "closed"].includes(this.peer.connectionState)) this.end("The connection is lost.");
    };
    this.sender = this.peer.addTrack(sound.outgoing);
    this.channel = this.peer.createDataChannel("oai-events");
    this.channel.onmessage = ({ data }) => this.take(JSON.parse(data));
    this.channel.onclose = () => this.end("The server has ended the call.");
    const opened = new Promise((resolve, reject) => {
      this.channel.onopen = resolve;
      this.addEventListener("end", ({ detail }) => reject(new Error(detail)), { once: true });
    });
    opened.catch(() => {});

    // No trickle: the offer goes out as it is, and the server finds us by our first packet.
    await this.peer.setLocalDescription();
    const form = new FormData();
    form.set("sdp", new Blob([this.peer.localDescription.sdp], { type: "application/sdp" }));
    form.set("session", new Blob([JSON.stringify(session)], { type: "application/json" }));
    const response = await fetch("/v1/realtime/calls", {
      method: "POST",
      body: form,
      headers: key ? { Authorization: `Bearer ${key}` } : {},
    });
    if (!response.ok) throw new Error(await problemOf(response));
    await this.peer.setRemoteDescription({ type: "answer", sdp: await response.text() });
    await opened;
    this.watch();
  }

  /** Keeps `roundTripMs`, of the network, up to date. */
  async watch() {
    while (!this.ended) {
      const stats = await this.peer.getStats().catch(() => new Map()); // closed meanwhile
      for (const report of stats.values())
        if (report.type === "candidate-pair" && report.nominated && report.currentRoundTripTime != null)
          this.roundTripMs = 1000 * report.currentRoundTripTime;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }

  send(type, fields = {}) {
    if (this.channel?.readyState === "open") this.channel.send(JSON.stringify({ type, ...fields }));
  }

  /** Says something in writing, and asks for the answer. */
  write(text) {
    const content = [{ type: "input_text", text }];
    this.send("conversation.item.create", { item: { type: "message", role: "user", content } });
    this.send("response.create");
  }

  /** Stops Parley in mid-word. */
  interrupt() {
    if (this.response) this.send("response.cancel", { response_id: this.response });
    else this.send("output_audio_buffer.clear");
  }

  get isAnswering() {
    return Boolean(this.response || this.playing);
  }

  take(event) {
    switch (event.type) {
      case "response.created":
        this.response = event.response.id;
        break;
      case "response.done":
        this.response = null;
        break;
      case "output_audio_buffer.started":
        this.playing = true;
        break;
      case "output_audio_buffer.stopped":
      case "output_audio_buffer.cleared":
        this.playing = false;
        break;
    }
    this.dispatchEvent(new CustomEvent("event", { detail: event }));
  }

  end(reason) {
    if (this.ended) return;
    this.ended = true;
    this.peer?.close();
    this.dispatchEvent(new CustomEvent("end", { detail: reason }));
  }
}

export async function problemOf(response) {
  try {
    return (await response.json()).error.message;
  } catch {
    return `The server says ${response.status} ${response.statusText}.`;
  }
}
