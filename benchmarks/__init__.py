"""How fast Parley is, measured against what it is compared with, in one run and with the same
weights.

`python -m benchmarks` runs everything that needs no GPU, `python -m benchmarks decode` one part,
and `--write` keeps the results in `benchmarks/results.md`. `python -m benchmarks.gpu` is for a CUDA
device.

No speed without correctness: a part first makes sure that what it compares gives the same results,
and a part whose results differ fails.
"""
