"""Live audio over WebRTC; `web.media.interface` is what the rest of `web` knows of it."""
