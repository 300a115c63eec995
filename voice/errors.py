"""What goes wrong in `voice`, as one tree.

```text
VoiceError
├── DeviceUnavailable  a microphone or loudspeaker, or what opens one, is not there or has gone
├── EngineDied         the thread that a session lives on has died
├── McpUnavailable     an MCP server, or the package that talks to one, is not there
├── MissingPart        the checkpoint has no sound encoder, or no vision tower
└── TemplateError      the checkpoint's chat template does not do what a conversation needs
```

A checkpoint that cannot be loaded is `omni_core.weights.CheckpointError`; input of a wrong kind is
`ValueError`. Every message names the problem and the remedy.
"""


class VoiceError(Exception):
    """Base of the errors that are `voice`'s own."""


class DeviceUnavailable(VoiceError):
    """A sound device of this machine, or what opens one, cannot be had."""


class EngineDied(VoiceError):
    """A thread that serves all sessions has died; its exception is the cause."""


class McpUnavailable(VoiceError):
    """Functions of an MCP server were asked for, and cannot be had."""


class MissingPart(VoiceError):
    """The loaded checkpoint lacks the part that was asked for."""


class TemplateError(VoiceError):
    """The chat template of a checkpoint cannot be used for a conversation."""
