"""Checkpoints: safetensors under NVIDIA's raw names, read lazily and strictly.

A `Checkpoint` knows the names and shapes of all its tensors before it reads any. Modules are filled
prefix by prefix, and `finish` makes sure that no tensor was left over.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

INDEX_NAME = "model.safetensors.index.json"
SINGLE_NAME = "model.safetensors"
_EXPERT = re.compile(r"^(.*\.experts)\.(\d+)\.(up_proj|down_proj)\.weight$")


class CheckpointError(Exception):
    """A checkpoint that cannot be used; drawn with its children:

    ```text
    CheckpointError      no such directory, no weights in it, a truncated or foreign file
    └── WeightsMismatch  tensors missing, unexpected or of another shape
    ```
    """


class WeightsMismatch(CheckpointError):
    """The checkpoint's tensors are not those of the model that its config describes."""


def checkpoint_directory(name_or_path: str | Path) -> Path:
    """The local directory of a checkpoint, downloaded from the Hub if the name is a Hub id.

    Raises:
        CheckpointError: neither a directory nor a Hub id that can be fetched.
    """
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        return path
    name = str(name_or_path)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise CheckpointError(
            f"{name} is neither a directory nor a Hub id (owner/name); check the path"
        )
    patterns = ["*.json", "*.safetensors", "*.jinja", "tokenizer*"]
    try:
        return Path(snapshot_download(name, allow_patterns=patterns))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"cannot fetch {name} from the Hugging Face Hub: {error}. Check the name and the "
            "connection, or download the repository yourself and give its directory"
        ) from error


class Checkpoint:
    """The tensors of a checkpoint directory, single file or sharded with an index.

    Routed experts appear stacked: `….experts.{x}.up_proj.weight` of all x as one tensor
    `….experts.up_proj` [experts, width, hidden], as `omni_core.moe.Experts` holds them.

    Attributes:
        directory: where it is.
        shapes: shape of every tensor, by name.

    Raises:
        CheckpointError: no weights, an unreadable index, or a damaged file.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self._asked: set[str] = set()
        self._parts: dict[str, list[tuple[Path, str]]] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        found: dict[str, tuple[Path, tuple[int, ...]]] = {}
        for file in self._files():
            with _opened(file) as opened:
                for name in opened.keys():  # noqa: SIM118 - a safetensors handle is no mapping
                    found[name] = (file, tuple(opened.get_slice(name).get_shape()))
        experts: dict[str, dict[int, str]] = {}
        for name, (file, shape) in found.items():
            if match := _EXPERT.match(name):
                stacked = f"{match[1]}.{match[3]}"
                experts.setdefault(stacked, {})[int(match[2])] = name
            else:
                self._parts[name] = [(file, name)]
                self.shapes[name] = shape
        for stacked, names in experts.items():
            shapes = {found[name][1] for name in names.values()}
            if sorted(names) != list(range(len(names))) or len(shapes) != 1:
                raise WeightsMismatch(
                    f"{self.directory}: the experts of {stacked} are not numbered 0..n−1 with one "
                    "shape each; fetch the checkpoint again"
                )
            ordered = [names[index] for index in range(len(names))]
            self._parts[stacked] = [(found[name][0], name) for name in ordered]
            self.shapes[stacked] = (len(names), *shapes.pop())

    @property
    def names(self) -> list[str]:
        """All tensors, sorted."""
        return sorted(self.shapes)

    def _files(self) -> list[Path]:
        if not self.directory.is_dir():
            raise CheckpointError(f"{self.directory} is not a directory; check the path")
        index = self.directory / INDEX_NAME
        if not index.exists():
            files = sorted(self.directory.glob("*.safetensors"))
            if not files:
                raise CheckpointError(
                    f"{self.directory} holds no *.safetensors; give the directory of a checkpoint"
                )
            return files
        try:
            weight_map: Mapping[str, str] = json.loads(index.read_text())["weight_map"]
            files = sorted({self.directory / file for file in weight_map.values()})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"{index} is not a safetensors index ({error}); fetch it again"
            ) from error
        absent = [file.name for file in files if not file.exists()]
        if absent:
            raise CheckpointError(
                f"{self.directory} lacks {', '.join(absent)}, which its index names; fetch the "
                "missing files"
            )
        return files

    def read(self, name: str, dtype: torch.dtype | None = None) -> Tensor:
        """One tensor, in its own dtype or the one given.

        Raises:
            WeightsMismatch: there is no such tensor.
        """
        if name not in self._parts:
            raise WeightsMismatch(f"{self.directory} has no tensor {name}")
        self._asked.add(name)
        parts = []
        for file, part in self._parts[name]:
            with _opened(file) as opened:
                parts.append(opened.get_tensor(part).to(dtype))
        return torch.stack(parts) if _is_stacked(name) else parts[0]

    def load_into(
        self,
        module: nn.Module,
        prefix: str,
        rename: Callable[[str], str] | None = None,
        ignore: Iterable[str] = (),
    ) -> None:
        """Fills all parameters and persistent buffers of a module, in their dtype and device.

        Args:
            module: what to fill.
            prefix: what stands before its names in the checkpoint, such as `language_model.`.
            rename: from a name in the module to the name in the checkpoint behind the prefix.
            ignore: names behind the prefix that the checkpoint may hold and the module does not.

        Raises:
            WeightsMismatch: tensors missing, unexpected below the prefix, or of another shape; the
                message lists them, and the module is unchanged.
        """
        targets = {
            prefix + (rename(name) if rename else name): tensor
            for name, tensor in module.state_dict(keep_vars=True).items()
        }
        ignored = {prefix + name for name in ignore}
        here = {name for name in self.shapes if name.startswith(prefix)} - ignored
        problems = [f"missing: {name}" for name in sorted(targets.keys() - here)]
        problems += [f"unexpected: {name}" for name in sorted(here - targets.keys())]
        problems += [
            f"shape of {name}: {list(self.shapes[name])} in the file, {list(target.shape)} by the "
            "config"
            for name, target in targets.items()
            if name in here and self.shapes[name] != tuple(target.shape)
        ]
        self._complain(problems)
        self._asked |= ignored
        with torch.no_grad():
            for name, target in targets.items():
                self._fill(target, name)

    def _fill(self, target: Tensor, name: str) -> None:
        """Copies a tensor part by part, so that stacked experts never stand in memory twice."""
        self._asked.add(name)
        slots = target.unbind() if _is_stacked(name) else [target]
        for slot, (file, part) in zip(slots, self._parts[name], strict=True):
            with _opened(file) as opened:
                slot.copy_(opened.get_tensor(part))

    def finish(self, ignore: Callable[[str], bool] = lambda name: False) -> None:
        """Makes sure that every tensor was read.

        Args:
            ignore: says of a name whether it may be left over.

        Raises:
            WeightsMismatch: tensors that nobody asked for.
        """
        left = [name for name in self.names if name not in self._asked and not ignore(name)]
        self._complain([f"unexpected: {name}" for name in left])

    def _complain(self, problems: list[str]) -> None:
        if not problems:
            return
        shown = problems[:20]
        if len(problems) > len(shown):
            shown.append(f"… and {len(problems) - len(shown)} more")
        raise WeightsMismatch(
            f"{self.directory}: the weights are not those of the model in its config.json:\n  "
            + "\n  ".join(shown)
            + "\nFetch config.json and all *.safetensors of one and the same revision."
        )


def save_tensors(
    tensors: Mapping[str, Tensor], directory: str | Path, max_shard_bytes: int = 5 * 10**9
) -> None:
    """Writes a checkpoint that `Checkpoint` and transformers read, experts unstacked again.

    Args:
        tensors: by name with prefix, such as `language_model.lm_head.weight`.
        directory: made if absent; an earlier checkpoint's weights in it are replaced.
        max_shard_bytes: above it the weights go to several files with an index.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    shards: list[dict[str, Tensor]] = [{}]
    filled = total = 0
    for name, tensor in _unstacked(tensors):
        size = tensor.numel() * tensor.element_size()
        if shards[-1] and filled + size > max_shard_bytes:
            shards.append({})
            filled = 0
        shards[-1][name] = tensor
        filled += size
        total += size
    for old in [*directory.glob("*.safetensors"), directory / INDEX_NAME]:
        old.unlink(missing_ok=True)
    names = [
        SINGLE_NAME if len(shards) == 1 else f"model-{i:05}-of-{len(shards):05}.safetensors"
        for i in range(1, len(shards) + 1)
    ]
    for file, shard in zip(names, shards, strict=True):
        owned = {name: tensor.detach().cpu().clone() for name, tensor in shard.items()}
        save_file(owned, directory / file, metadata={"format": "pt"})
    if len(shards) > 1:
        weight_map = {
            name: file for file, shard in zip(names, shards, strict=True) for name in shard
        }
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        (directory / INDEX_NAME).write_text(json.dumps(index, indent=2) + "\n")


def _unstacked(tensors: Mapping[str, Tensor]) -> Iterable[tuple[str, Tensor]]:
    for name, tensor in tensors.items():
        if _is_stacked(name):
            stem, _, kind = name.rpartition(".")
            for index, expert in enumerate(tensor):
                yield f"{stem}.{index}.{kind}.weight", expert
        else:
            yield name, tensor


def _is_stacked(name: str) -> bool:
    return name.endswith((".experts.up_proj", ".experts.down_proj"))


@contextmanager
def _opened(file: Path) -> Iterator[safe_open]:
    """An open file; whatever is wrong with it is said with its name."""
    try:
        with safe_open(file, framework="pt") as opened:
            yield opened
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{file} is damaged or no safetensors file ({error}); fetch it again"
        ) from error
