"""Read what a GGUF file says of itself, and whether all of it is there.

Only the header is read: metadata and the table of tensors. Big arrays (vocabularies, merges) are stepped
over and kept as an `ArrayInfo`, so that reading takes milliseconds and no memory worth naming.
"""

import math
import mmap
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from .errors import GgufError
from .ggml_types import FILE_TYPE_GUESSED, FILE_TYPES, TENSOR_TYPES
from .gguf_cursor import MAGIC, MOST_ENTRIES, ArrayInfo, Cursor, ShortError, Value, check_beginning, read_alignment

_F16: Final = 2
_Q8_0_BLOCK: Final = 32

# What a bias adds to the keys is the same for every token and large in few places, which takes the precision from the
# rest of a block (ADR 0013).
_BIASES_OF_KEYS: Final = (".attn_k.bias", ".attn_qkv.bias")

# What is laid on a model for it to judge a text as a whole.
_JUDGING: Final = ("cls.weight", "cls.output.weight")
_RANK_POOLING: Final = 4

_SPLIT_NAME: Final = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$", re.IGNORECASE)


@dataclass(frozen=True)
class Gguf:
    """The facts in a GGUF header.

    Attributes:
        size: bytes of the file (of this part, where it is split).
        parameters: number of weights (of this part, where it is split); 0 where the header was cut short.
        kv_bytes_per_token: KV cache in f16 that one token of context takes; None where it is not known.
        keys_bear_q8_0: whether keys may be kept as `q8_0`; see `_keys_bear_q8_0`.
        formats: in which the tensors are (of this part, where it is split), such as `Q4_1`.
        norms: where the weights of the norms are, which no quant changes: offsets and bytes, by name.
        ranks: whether it scores how well a document answers a question.
        split_count: parts the model is split into; 1 where it is whole.
    """

    size: int
    version: int
    architecture: str
    name: str
    quant: str
    parameters: int
    context_length: int
    kv_bytes_per_token: int | None
    keys_bear_q8_0: bool
    formats: frozenset[str]
    norms: tuple[tuple[int, int], ...]
    has_chat_template: bool
    ranks: bool
    split_index: int
    split_count: int
    metadata: Mapping[str, Value]

    @property
    def layers(self) -> int:
        """How many layers the model has, its output not counted."""
        return _number(self.metadata, f"{self.architecture}.block_count")


class _Tensors(NamedTuple):
    """What the table tells: weights, type of most bytes, end of the data, biases of keys, norms, formats, a head."""

    parameters: int = 0
    largest: str = ""
    end: int = 0
    biased_keys: bool = False
    norms: tuple[tuple[int, int], ...] = ()
    formats: frozenset[str] = frozenset()
    judges: bool = False


def read_gguf(path: Path) -> Gguf:
    """Read the header of `path` and check that the file holds every tensor it announces.

    Raises GgufError (not a GGUF file, a version this cannot read, cut short) or OSError.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        if size < len(MAGIC):
            raise GgufError(f"{path.name} is not a GGUF file: it has only {size:,} bytes.")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                return _parse(data, size, path.name, whole=True)
            except ShortError as short:
                raise _truncated(path.name, size, short.needed) from None


def peek_gguf(head: bytes, size: int) -> Gguf:
    """Read what the first bytes of a GGUF file of `size` bytes tell; what lies beyond stays unknown.

    Raises GgufError when the bytes are not the beginning of a GGUF file.
    """
    try:
        return _parse(head, size, "the file", whole=False)
    except ShortError:
        raise GgufError("The beginning of the file is too short to be read.") from None


def split_parts(path: Path) -> list[Path]:
    """List the files of the model that begins with `path`: itself alone, or every part of a split model.

    Raises GgufError when `path` is not the first part, or a part is missing.
    """
    match = _SPLIT_NAME.search(path.name)
    if match is None:
        return [path]
    index, count = int(match[1]), int(match[2])
    stem = path.name[: match.start()]
    parts = [path.with_name(f"{stem}-{number:05}-of-{count:05}.gguf") for number in range(1, count + 1)]
    if index != 1:
        raise GgufError(f"{path.name} is part {index} of {count}: name the first part, {parts[0].name}.")
    missing = [part.name for part in parts if not part.is_file()]
    if missing:
        raise GgufError(f"{path.name} is one of {count} parts, and these are missing: {', '.join(missing)}.")
    return parts


def _truncated(name: str, size: int, needed: int) -> GgufError:
    return GgufError(f"{name} is cut short: it has {size:,} bytes and needs at least {needed:,}. Download it again.")


def _parse(data: bytes | mmap.mmap, size: int, name: str, *, whole: bool) -> Gguf:
    cursor = Cursor(data)
    version = check_beginning(cursor, name)
    tensor_count, key_count = cursor.u64(), cursor.u64()
    if tensor_count > MOST_ENTRIES or key_count > MOST_ENTRIES:
        raise GgufError(f"{name} is damaged: its header announces {key_count} keys, {tensor_count} tensors.")
    metadata: dict[str, Value] = {}
    tensors = _Tensors()
    try:
        for _ in range(key_count):
            key = cursor.string()
            metadata[key] = cursor.value(cursor.u32(), key)
        tensors = _read_tensors(cursor, tensor_count, read_alignment(metadata, name))
    except ShortError:
        if whole:
            raise
    if tensors.end > size:
        raise ShortError(tensors.end)
    return _facts(metadata, tensors, size=size, version=version)


def _read_tensors(cursor: Cursor, count: int, alignment: int) -> _Tensors:
    """Walk the tensor table."""
    parameters = 0
    end = 0
    biased = judges = False
    bytes_by_type: dict[str, int] = {}
    norms: dict[str, tuple[int, int]] = {}
    for _ in range(count):
        name, shape, kind, offset = cursor.tensor()
        biased = biased or name.endswith(_BIASES_OF_KEYS)
        judges = judges or name in _JUDGING
        elements = math.prod(shape)
        parameters += elements
        stored = TENSOR_TYPES.get(kind)
        if stored is None:
            # A type newer than this table: its length is unknown, its beginning must still be there.
            end = max(end, offset)
            continue
        if elements % stored.block:
            raise GgufError(f"The GGUF header is damaged: {name!r} has {elements} elements of {stored.name}.")
        length = elements // stored.block * stored.size
        bytes_by_type[stored.name] = bytes_by_type.get(stored.name, 0) + length
        end = max(end, offset + length)
        if name.endswith("norm.weight") and stored.name == "F32":
            norms[name] = (offset, length)
    start = -(-cursor.position // alignment) * alignment
    largest = max(bytes_by_type, key=bytes_by_type.__getitem__, default="")
    placed = tuple((start + offset, length) for _, (offset, length) in sorted(norms.items()))
    return _Tensors(
        parameters, largest, start + end if count else cursor.position, biased, placed, frozenset(bytes_by_type), judges
    )


def _facts(metadata: Mapping[str, Value], tensors: _Tensors, *, size: int, version: int) -> Gguf:
    architecture = _text(metadata, "general.architecture")
    file_type = metadata.get("general.file_type")
    quant = FILE_TYPES.get(file_type & ~FILE_TYPE_GUESSED, "") if isinstance(file_type, int) else ""
    return Gguf(
        size=size,
        version=version,
        architecture=architecture,
        name=_text(metadata, "general.name"),
        quant=quant or tensors.largest,
        parameters=tensors.parameters,
        context_length=_number(metadata, f"{architecture}.context_length"),
        kv_bytes_per_token=_kv_bytes_per_token(metadata, architecture),
        keys_bear_q8_0=tensors.parameters > 0 and not tensors.biased_keys and _keys_bear_q8_0(metadata, architecture),
        formats=tensors.formats,
        norms=tensors.norms,
        has_chat_template="tokenizer.chat_template" in metadata,
        ranks=tensors.judges or metadata.get(f"{architecture}.pooling_type") == _RANK_POOLING,
        split_index=_number(metadata, "split.no"),
        split_count=max(1, _number(metadata, "split.count")),
        metadata=metadata,
    )


def _text(metadata: Mapping[str, Value], key: str) -> str:
    value = metadata.get(key)
    return value if isinstance(value, str) else ""


def _number(metadata: Mapping[str, Value], key: str) -> int:
    value = metadata.get(key)
    return value if isinstance(value, int) else 0


def _per_layer(metadata: Mapping[str, Value], key: str, layers: int) -> list[int] | None:
    """Spread a number over all layers, or take the array that gives one for each."""
    value = metadata.get(key)
    if isinstance(value, int):
        return [value] * layers
    if isinstance(value, tuple) and not isinstance(value, ArrayInfo) and len(value) == layers:
        return [int(item) for item in value]
    return None


def _kv_bytes_per_token(metadata: Mapping[str, Value], architecture: str) -> int | None:
    """Estimate the f16 KV cache of one token, layer by layer.

    Layers without attention (head count 0) take nothing. Sliding windows are counted as full attention:
    an estimate that errs towards too much.
    """
    layers = _number(metadata, f"{architecture}.block_count")
    attention = f"{architecture}.attention"
    heads = _per_layer(metadata, f"{attention}.head_count", layers)
    if not layers or heads is None:
        return None
    key_value_heads = _per_layer(metadata, f"{attention}.head_count_kv", layers) or heads
    width = _number(metadata, f"{architecture}.embedding_length") // (max(heads) or 1)
    key_length = _number(metadata, f"{attention}.key_length") or width
    value_length = _number(metadata, f"{attention}.value_length") or width
    return sum(key_value_heads) * (key_length + value_length) * _F16


def _keys_bear_q8_0(metadata: Mapping[str, Value], architecture: str) -> bool:
    """Return whether the keys of a head are whole blocks of q8_0, and no values are read from them."""
    attention = f"{architecture}.attention"
    layers = _number(metadata, f"{architecture}.block_count")
    heads = _per_layer(metadata, f"{attention}.head_count", layers)
    if not layers or heads is None or f"{attention}.kv_lora_rank" in metadata:
        return False
    width = _number(metadata, f"{architecture}.embedding_length") // (max(heads) or 1)
    length = _number(metadata, f"{attention}.key_length") or width
    return length > 0 and length % _Q8_0_BLOCK == 0
