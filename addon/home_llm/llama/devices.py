"""Where llama.cpp can compute: this machine's processor, graphics cards, and neighbours over its RPC back-end."""

import ctypes
import functools
import logging
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from home_llm.llama import library

_LOGGER = logging.getLogger(__name__)

_CONNECT_SECONDS = 5.0


class DeviceError(Exception):
    """A device cannot be used; the text says why and what to do."""


class DeviceKind(IntEnum):
    """What a device is (ggml-backend.h, enum ggml_backend_dev_type)."""

    CPU = 0
    GPU = 1
    INTEGRATED_GPU = 2
    ACCELERATOR = 3
    OTHER = 4


@dataclass(frozen=True, slots=True)
class Device:
    """A device.

    Attributes:
        name: llama.cpp's name for it, such as `CPU`, `Vulkan0` or `RPC0`.
        description: what it is, or the address of the machine that it is in.
        kind: processor, graphics card, or something else.
        free: bytes of memory that it has free.
        total: bytes of memory that it has.
    """

    name: str
    description: str
    kind: DeviceKind
    free: int
    total: int

    @property
    def is_remote(self) -> bool:
        """Whether it is in another machine."""
        return self.name.startswith("RPC")

    @property
    def takes_layers(self) -> bool:
        """Whether layers of a model can be moved to it: everything but this machine's own processor."""
        return self.is_remote or self.kind in (DeviceKind.GPU, DeviceKind.INTEGRATED_GPU)


def devices() -> list[Device]:
    """Return what llama.cpp can compute on now."""
    library.start()
    ggml = _ggml()
    return [_device(ggml, ggml.ggml_backend_dev_get(index)) for index in range(ggml.ggml_backend_dev_count())]


def cpu_variant() -> str:
    """Return which build of the CPU back-end runs, such as `haswell`; "" where there is only one."""
    library.start()
    mapped = {line.rsplit("/", 1)[-1].strip() for line in Path("/proc/self/maps").read_text().splitlines()}
    names = [name for name in mapped if name.startswith("libggml-cpu-") and name.endswith(".so")]
    return names[0].removeprefix("libggml-cpu-").removesuffix(".so") if names else ""


def has_rpc() -> bool:
    """Return whether this build of llama.cpp has the RPC back-end."""
    library.start()
    return bool(_ggml().ggml_backend_reg_by_name(b"RPC"))


@functools.cache
def _connected() -> set[str]:
    return set()


def connect_rpc(servers: Sequence[str]) -> None:
    """Make the devices of RPC workers known, each `HOST:PORT`; those that are known already are left alone.

    llama.cpp ends the process over a worker that does not speak its protocol, and cannot forget one: whether somebody
    listens is tried here before it does.

    Raises:
        DeviceError: this build has no RPC back-end, or a worker does not answer.
    """
    for server in servers:
        host, _, port = server.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
        except OSError as error:
            raise DeviceError(
                f"The RPC worker {server} does not answer ({error.strerror or error}). Start `home-llm rpc-worker` "
                "there, or take it out of rpc_servers."
            ) from error
        if server in _connected():
            continue
        add_server = _rpc_function("ggml_backend_rpc_add_server", ctypes.c_void_p, ctypes.c_char_p)
        registry = add_server(server.encode())
        if not registry:
            raise DeviceError(f"The RPC worker {server} has no device. Restart it, or take it out of rpc_servers.")
        _ggml().ggml_backend_register(registry)
        _connected().add(server)
        _LOGGER.info("The RPC worker %s is connected", server)


def serve_rpc(host: str, port: int, *, threads: int, cache: Path | None) -> None:
    """Lend this machine's devices to a neighbour; returns only when the port cannot be listened on.

    Args:
        host: address to listen on.
        port: port to listen on.
        threads: to compute with on the processor.
        cache: folder in which weights are kept, so that they are not sent again at every load.

    Raises:
        DeviceError: this build has no RPC back-end, or no device.
    """
    library.start()
    start_server = _rpc_function(
        "ggml_backend_rpc_start_server",
        None,
        *(ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.POINTER(ctypes.c_void_p)),
    )
    ggml = _ggml()
    handles = [ggml.ggml_backend_dev_get(index) for index in range(ggml.ggml_backend_dev_count())]
    kinds = [_kind(ggml, handle) for handle in handles]
    # Graphics cards where there are any, else the processor, as llama.cpp's own worker does.
    wanted = {DeviceKind.GPU, DeviceKind.INTEGRATED_GPU}
    if not wanted.intersection(kinds):
        wanted = {DeviceKind.CPU}
    chosen = [handle for handle, kind in zip(handles, kinds, strict=True) if kind in wanted]
    if not chosen:
        raise DeviceError("llama.cpp has no device to lend here.")
    array = (ctypes.c_void_p * len(chosen))(*chosen)
    folder = None if cache is None else str(cache).encode()
    start_server(f"{host}:{port}".encode(), folder, threads, len(chosen), array)


def _rpc_function(name: str, result: Any, *arguments: Any) -> Any:
    """Return a function of the RPC back-end, which is a library of its own in a build with run-time back-ends."""
    # Workers are connected before anything is loaded, and the back-ends come first.
    library.start()
    ggml = _ggml()
    registry = ggml.ggml_backend_reg_by_name(b"RPC")
    address = ggml.ggml_backend_reg_get_proc_address(registry, name.encode()) if registry else None
    if not address:
        raise DeviceError(
            "This build of llama.cpp has no RPC back-end. The app's image has it; elsewhere build llama-cpp-python "
            "with CMAKE_ARGS=-DGGML_RPC=ON."
        )
    return ctypes.CFUNCTYPE(result, *arguments)(address)


def _device(ggml: Any, handle: int) -> Device:
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    ggml.ggml_backend_dev_memory(handle, ctypes.byref(free), ctypes.byref(total))
    name, description = ggml.ggml_backend_dev_name(handle), ggml.ggml_backend_dev_description(handle)
    text = description.decode("utf-8", "replace")
    return Device(name.decode(), text, _kind(ggml, handle), free.value, total.value)


def _kind(ggml: Any, handle: int) -> DeviceKind:
    number: int = ggml.ggml_backend_dev_type(handle)
    return DeviceKind(number) if number in list(DeviceKind) else DeviceKind.OTHER


@functools.cache
def _ggml() -> Any:
    """Return the library that keeps the list of back-ends, with the types of what is called here."""
    ggml = library.ggml()
    for name, result, arguments in (
        ("ggml_backend_dev_count", ctypes.c_size_t, ()),
        ("ggml_backend_dev_get", ctypes.c_void_p, (ctypes.c_size_t,)),
        ("ggml_backend_dev_name", ctypes.c_char_p, (ctypes.c_void_p,)),
        ("ggml_backend_dev_description", ctypes.c_char_p, (ctypes.c_void_p,)),
        ("ggml_backend_dev_type", ctypes.c_int, (ctypes.c_void_p,)),
        ("ggml_backend_dev_memory", None, (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)),
        ("ggml_backend_reg_by_name", ctypes.c_void_p, (ctypes.c_char_p,)),
        ("ggml_backend_reg_get_proc_address", ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_char_p)),
        ("ggml_backend_register", None, (ctypes.c_void_p,)),
    ):
        function = getattr(ggml, name)
        function.restype, function.argtypes = result, list(arguments)
    return ggml
