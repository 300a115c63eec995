"""Talking at the machine itself: `parley talk`.

```text
command.py    options ► engine, session, devices
└ talk.py     the event loop between devices and session; Ctrl-C
  ├ devices.py   which ones there are, and what is wrong with them
  ├ streams.py   PortAudio's callbacks, and bounded queues between them and the loop
  ├ pump.py      frames from the microphone to the session, and from it to the loudspeaker
  │ └ echo.py       what the session may hear: cancelled, or muted while it speaks
  │   ├ canceller.py   WebRTC's canceller, of the package livekit
  │   └ alarm.py       whether the assistant hears itself all the same
  └ screen.py    captions, level, floor and latency, in a terminal or as plain lines
```

The pump and all below it know no devices and no clock but the frames themselves.
"""
