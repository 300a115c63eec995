"""Reads what joblib has stored of scikit-learn estimators: their attributes, and nothing is run.

A pickle may name any function to be called. Here it may name numpy arrays, the wrapper that joblib
puts around them, and containers; classes of scikit-learn and scipy become plain dictionaries of
their attributes.
"""

from __future__ import annotations

import copyreg
import pickle
from collections import defaultdict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy._core import multiarray

_NUMPY = {
    "_reconstruct": multiarray._reconstruct,
    "scalar": multiarray.scalar,
    "ndarray": np.ndarray,
    "dtype": np.dtype,
    **{name: getattr(np, name) for name in ("int32", "int64", "float32", "float64", "str_")},
}
_PLAIN = {
    ("copyreg", "_reconstructor"): copyreg._reconstructor,  # type: ignore[attr-defined]
    ("copy_reg", "_reconstructor"): copyreg._reconstructor,  # type: ignore[attr-defined]
    ("builtins", "object"): object,
    ("builtins", "int"): int,
    ("builtins", "float"): float,
    ("builtins", "set"): set,
    ("collections", "defaultdict"): defaultdict,
}


class UnreadablePickle(ValueError):
    """The file is no pickle, is compressed, or names something that is not allowed."""


class Attributes(dict[str, Any]):
    """What a stored object of scikit-learn or scipy had as attributes."""

    def __init__(self, *_: object) -> None:
        super().__init__()

    def __setstate__(self, state: Any) -> None:
        # With __slots__ the state is a pair; the dictionary comes first.
        self.update(state[0] or {} if isinstance(state, tuple) else state)


class _ArrayWrapper(Attributes):
    """joblib's NumpyArrayWrapper: the array's bytes follow in the file."""

    def read(self, file: BinaryIO) -> np.ndarray:
        dtype, shape = self["dtype"], self["shape"]
        if dtype.hasobject:
            raise UnreadablePickle("it holds an array of objects")
        if self.get("numpy_array_alignment_bytes") is not None:
            file.read(file.read(1)[0])  # padding, its length first
        count = int(np.prod(shape, dtype=np.int64))
        data = file.read(count * dtype.itemsize)
        array = np.frombuffer(data, dtype, count)
        return array.reshape(shape, order="F" if self["order"] == "F" else "C")


# The one in Python: it can be told what to do after an object was built.
_PythonUnpickler: Any = pickle._Unpickler


class _Unpickler(_PythonUnpickler):
    """Reads arrays where joblib has put them, and lets a pickle name only what is listed above."""

    dispatch = _PythonUnpickler.dispatch.copy()

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self._file = file

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _PLAIN:
            return _PLAIN[module, name]
        top = module.partition(".")[0]
        if top == "joblib" and name == "NumpyArrayWrapper":
            return _ArrayWrapper
        if top in ("sklearn", "scipy"):
            return Attributes
        if top == "numpy" and name in _NUMPY:
            return _NUMPY[name]
        raise UnreadablePickle(f"it names {module}.{name}")

    def load_build(self) -> None:
        super().load_build()
        if isinstance(self.stack[-1], _ArrayWrapper):
            self.stack.append(self.stack.pop().read(self._file))

    dispatch[pickle.BUILD[0]] = load_build


def read_joblib(path: Path) -> Any:
    """Reads an uncompressed file of `joblib.dump`.

    Raises:
        UnreadablePickle: it is none, or names what may not be named.
    """
    with path.open("rb") as file:
        try:
            return _Unpickler(file).load()
        except UnreadablePickle as error:
            raise UnreadablePickle(f"{path.name} is not allowed: {error}") from error
        except Exception as error:  # a damaged pickle fails in any way
            raise UnreadablePickle(f"{path.name} cannot be read: {error}") from error
