"""OpenAI's Realtime protocol (GA), independent of what carries it.

Client events come in as text and go to a session; what the session tells goes out as server events.
docs/realtime.md says what is supported.
"""
