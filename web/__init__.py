"""Parley on the network: OpenAI's Realtime protocol over WebRTC and WebSocket, and the page."""
