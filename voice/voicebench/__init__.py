"""VoiceBench: a spoken-question benchmark, run with any model and scored as upstream scores it.

`score_item` and `aggregate` are the evaluators; the command `parley voicebench` does the rest.
"""

from voice.voicebench.scoring import aggregate, score_item

__all__ = ["aggregate", "score_item"]
