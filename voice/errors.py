"""What goes wrong in `voice`, as one tree.

```text
VoiceError
├── CheckpointError     a checkpoint that is missing, truncated, renamed or of another kind
├── MissingPartError    the checkpoint has no such part (sound, vision)
├── TemplateError       the checkpoint's chat template does not do what a conversation needs
└── InputError          audio, images or text that cannot be used
```

Every message names the problem and the remedy.
"""


class VoiceError(Exception):
    """Base of the errors that a user of Parley can do something about."""


class CheckpointError(VoiceError):
    """A checkpoint cannot be loaded."""


class MissingPartError(VoiceError):
    """The loaded checkpoint lacks the part that was asked for."""


class TemplateError(VoiceError):
    """The chat template of a checkpoint cannot be used for a conversation."""


class InputError(VoiceError):
    """Input that cannot be used: empty, not finite, or of the wrong shape."""
