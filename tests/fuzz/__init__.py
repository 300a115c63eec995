"""Whatever comes from outside: no crash, no hang, no trace of it in another session.

`python -m pytest tests/fuzz --slow` tries 100,000 inputs, `--fuzz N` another number of them.
"""
