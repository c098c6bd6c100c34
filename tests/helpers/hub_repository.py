"""Repositories of the local hub, and what its API tells of their files."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

_LFS_ABOVE = 10_000_000  # the real hub keeps smaller files in git, unless .gitattributes says otherwise


@dataclass
class Repository:
    """A repository: its files, and who may read them."""

    files: dict[str, bytes]
    gated: bool = False
    private: bool = False
    announced: dict[str, int] = field(default_factory=dict)
    served: dict[str, bytes] = field(default_factory=dict)

    @property
    def sha(self) -> str:
        """The commit: it changes with the content."""
        digest = hashlib.sha1(usedforsecurity=False)
        for name, data in sorted(self.files.items()):
            digest.update(name.encode() + data)
        return digest.hexdigest()

    def size(self, name: str) -> int:
        """The size that is announced, which a test may make false."""
        return self.announced.get(name, len(self.files[name]))


def is_lfs(file: str, data: bytes) -> bool:
    """Return whether the hub keeps a file outside git."""
    return file.endswith((".gguf", ".safetensors", ".bin")) or len(data) > _LFS_ABOVE


def git_oid(data: bytes) -> str:
    """Return git's name of a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def sibling(repository: Repository, file: str, *, blobs: bool) -> dict[str, Any]:
    """Return a file as the model info lists it; with its checksums where `blobs` are asked for."""
    item: dict[str, Any] = {"rfilename": file}
    if blobs:
        data = repository.files[file]
        item |= {"size": repository.size(file), "blobId": git_oid(data)}
        if is_lfs(file, data):
            sha = hashlib.sha256(data).hexdigest()
            item["lfs"] = {"sha256": sha, "size": repository.size(file), "pointerSize": 135}
    return item


def tree_item(repository: Repository, file: str) -> dict[str, Any]:
    """Return a file as the tree lists it."""
    data = repository.files[file]
    item: dict[str, Any] = {
        "type": "file",
        "oid": git_oid(data),
        "size": repository.size(file),
        "path": file,
    }
    if is_lfs(file, data):
        sha = hashlib.sha256(data).hexdigest()
        item["lfs"] = {"oid": sha, "size": repository.size(file), "pointerSize": 135}
    return item
