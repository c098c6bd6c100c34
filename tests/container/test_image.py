"""The Dockerfile, services and AppArmor profile of the image, as far as they can be checked unbuilt."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SERVICES = ROOT / "rootfs/etc/s6-overlay/s6-rc.d"


def load(path: str) -> Any:
    """Return what a YAML file of the repository holds."""
    return yaml.safe_load((ROOT / path).read_text("utf-8"))


@pytest.fixture(name="config")
def config_fixture() -> dict[str, Any]:
    """The app's configuration."""
    config: dict[str, Any] = load("config.yaml")
    return config


# The image


def test_base_image_is_the_same_everywhere(config: dict[str, Any]) -> None:
    """The Dockerfile's default base is the one of build.yaml for both architectures, without a digest."""
    build = load("build.yaml")
    default = re.findall(r"^ARG BUILD_FROM=(\S+)$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert isinstance(build["build_from"], dict)
    assert build["build_from"] == dict.fromkeys(config["arch"], default[0])
    assert len(default) == 1
    assert "@" not in default[0]
    assert not {"squash", "codenotary"} & set(build)


def test_final_stage_has_no_build_tools() -> None:
    """The compiler, pip and the package lists stay in the builder."""
    stages = re.split(r"^FROM ", (ROOT / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    assert len(stages) == 3
    assert stages[1].startswith("--platform=${BUILDPLATFORM} ${BUILDER_FROM} AS builder\n")
    assert stages[2].startswith("--platform=${TARGETPLATFORM} ${BUILD_FROM}\n")
    assert "build-essential" in stages[1]
    assert not re.search(r"build-essential|cmake|gcc|-dev\b|bin/pip|venv", stages[2])
    assert stages[2].count("apt-get install") == stages[2].count("rm -rf /var/lib/apt/lists/*") == 1


def test_python_packages_are_locked() -> None:
    """Everything that pip fetches for the image is checked against a hash, build tools included."""
    text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    commands = re.findall(r"pip (?:--python \S+ )?((?:install|wheel|download) [^&\n]+)", text)
    local = [line for line in commands if re.search(r"--no-index| \./llama| /build/addon", line)]
    fetching = [line for line in commands if line not in local]
    assert len(fetching) == 4
    assert len(local) == 4
    assert all("--require-hashes" in line for line in fetching)
    assert all("--no-deps" in line for line in commands)
    # What is built is built with the locked tools.
    building = [line for line in commands if line.startswith("wheel") or "--no-binary" in line]
    assert all("--no-build-isolation" in line for line in building)
    assert len(building) == 3


def test_both_halves_of_the_lock_are_installed(tmp_path: Path) -> None:
    """llama.cpp is compiled from its half of the lock, and the rest comes from the other."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    lock = (ROOT / "requirements/server.txt").read_text("utf-8")
    halves = []
    for program in re.findall(r"awk '([^']+)' requirements/server.txt", text):
        command = ["awk", program, ROOT / "requirements/server.txt"]
        halves.append(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    names = [re.findall(r"^([a-z0-9-]+)==", half, re.MULTILINE) for half in halves]
    assert names[0] == ["llama-cpp-python"]
    assert sorted(names[0] + names[1]) == sorted(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))
    assert sum(half.count("--hash=") for half in halves) == lock.count("--hash=")


def test_llama_cpp_is_built_for_every_cpu() -> None:
    """Nothing is compiled for the machine that builds, and the back-end is chosen when the server starts."""
    (arguments,) = re.findall(r'CMAKE_ARGS="([^"]+)"', (ROOT / "Dockerfile").read_text("utf-8"))
    assert {"-DGGML_NATIVE=OFF", "-DGGML_BACKEND_DL=ON", "-DGGML_CPU_ALL_VARIANTS=ON"} <= set(arguments.split())


def test_health_check_asks_the_served_port() -> None:
    """Docker asks /health on the port that the service opens."""
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    assert "http://127.0.0.1:5000/health" in dockerfile[dockerfile.index("HEALTHCHECK") :]
    assert re.search(r"--port 5000\b", (SERVICES / "home-llm/run").read_text("utf-8"))


def test_labels_carry_what_the_supervisor_reads() -> None:
    """Type, architecture and version are labels, since an image may be built outside the Supervisor too."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    assert 'io.hass.type="app"' in text
    assert 'io.hass.arch="${BUILD_ARCH}"' in text
    assert 'io.hass.version="${BUILD_VERSION}"' in text


def test_build_context_holds_what_is_copied() -> None:
    """Every folder that the Dockerfile copies is let through .dockerignore, and by default nothing is."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    sources = re.findall(r"^COPY (?!--from)(\S+) ", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert {source.split("/")[0] for source in sources} == allowed


# Services


def scripts() -> list[Path]:
    """Return what s6 runs."""
    return sorted(path for path in SERVICES.rglob("*") if path.name in {"run", "finish"})


def test_service_folders() -> None:
    """The server is a longrun after base, discovery a oneshot after the server, and all of them are started."""
    assert {str(path.relative_to(SERVICES)) for path in SERVICES.rglob("*") if path.is_file()} == {
        "data-owner/dependencies.d/base",
        "data-owner/run",
        "data-owner/type",
        "data-owner/up",
        "discovery/dependencies.d/home-llm",
        "discovery/run",
        "discovery/type",
        "discovery/up",
        "home-llm/dependencies.d/base",
        "home-llm/dependencies.d/data-owner",
        "home-llm/finish",
        "home-llm/run",
        "home-llm/type",
        "user/contents.d/data-owner",
        "user/contents.d/discovery",
        "user/contents.d/home-llm",
    }
    assert (SERVICES / "home-llm/type").read_text("utf-8") == "longrun\n"
    assert (SERVICES / "discovery/type").read_text("utf-8") == "oneshot\n"


@pytest.mark.parametrize("name", ["data-owner", "discovery"])
def test_up_names_an_executable_of_the_image(name: str) -> None:
    """`up` holds one command line, the absolute path of the script beside it."""
    (command,) = (SERVICES / name / "up").read_text("utf-8").splitlines()
    assert ROOT / "rootfs" / command.lstrip("/") == SERVICES / name / "run"
    assert (SERVICES / name / "type").read_text("utf-8") == "oneshot\n"


@pytest.mark.parametrize("script", scripts(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_scripts_run(script: Path) -> None:
    """Scripts are executable, get the container's environment, and are valid for the shell they name."""
    assert os.access(script, os.X_OK)
    assert script.read_text("utf-8").splitlines()[0] == "#!/command/with-contenv sh"
    assert b"\r" not in script.read_bytes()
    subprocess.run(["sh", "-n", script], check=True)


def test_executable_bits_reach_a_clone() -> None:
    """The repository keeps the executable bits of scripts that it tracks."""
    listed = subprocess.run(
        ["git", "ls-files", "--stage", "rootfs"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    modes = {line.split("\t")[1]: line.split(" ")[0] for line in listed.splitlines()}
    for name, mode in modes.items():
        assert mode == ("100755" if Path(name).name in {"run", "finish"} else "100644"), name


def test_server_is_executed() -> None:
    """The server takes the place of the script, so that it gets s6's signals itself."""
    lines = (SERVICES / "home-llm/run").read_text("utf-8").splitlines()
    assert lines[-1] == 'exec "$@"'
    text = " ".join(line.rstrip(" \\").strip() for line in lines)
    assert "set -- /opt/home-llm/bin/home-llm serve" in text
    assert "--host 0.0.0.0 --port 5000 --ingress-port 8099 --options /data/options.json --data-dir /data" in text


def finish(folder: Path, *arguments: str, exit_code: str | None = "0") -> tuple[str, bool]:
    """Run the finish script as s6 does, with the paths of the container below a folder.

    Returns:
        What the container would report, and whether it was halted.
    """
    report = folder / "exitcode"
    halt = folder / "halt"
    if exit_code is not None:
        report.write_text(exit_code + "\n", "ascii")
    halt.write_text(f"#!/bin/sh\necho halted >{folder}/halted\n", "ascii")
    halt.chmod(0o755)
    script = (SERVICES / "home-llm/finish").read_text("utf-8")
    moved = script.replace("/run/s6-linux-init-container-results/exitcode", str(report))
    moved = moved.replace("/run/s6/basedir/bin/halt", str(halt))
    assert moved.count(str(folder)) == script.count("/run/")
    subprocess.run(["sh", "-c", moved, "finish", *arguments], check=True, capture_output=True)
    return report.read_text("ascii").strip(), (folder / "halted").exists()


@pytest.mark.parametrize(
    ("status", "signal", "before", "after"),
    [
        ("0", "0", "0", ("0", False)),
        ("1", "0", "0", ("1", True)),
        ("1", "0", "3", ("3", True)),
        ("256", "15", "0", ("143", True)),
        ("256", "15", "3", ("3", True)),
        ("256", "9", "0", ("137", False)),
        ("256", "11", "0", ("139", False)),
        ("2", "0", None, ("2", True)),
    ],
)
def test_finish(tmp_path: Path, status: str, signal: str, before: str | None, after: tuple[str, bool]) -> None:
    """The container stops and reports as Home Assistant's own apps do; a clean end is left to s6."""
    assert finish(tmp_path, status, signal, "home-llm", "home-llm", exit_code=before) == after


def test_discovery_never_waits_nor_fails(tmp_path: Path) -> None:
    """The step is over at once with status 0, whether its command lasts, fails or does not exist."""
    script = (SERVICES / "discovery/run").read_text("utf-8")
    command = tmp_path / "home-llm"
    for body in ["sleep 2", "exit 3", None]:
        if body:
            command.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/arguments\n{body}\n', "ascii")
            command.chmod(0o755)
        else:
            command.unlink()
        moved = script.replace("/opt/home-llm/bin/home-llm", str(command))
        subprocess.run(
            ["sh", "-c", moved],
            check=True,
            timeout=1,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


# AppArmor


def test_apparmor_profile_name() -> None:
    """Exactly one line at column 0 starts a profile, which is what the Supervisor renames."""
    lines = (ROOT / "apparmor.txt").read_text("utf-8").splitlines()
    assert [line.split()[1] for line in lines if re.match(r"profile ", line)] == [load("config.yaml")["slug"]]
    assert sum(line.count("{") - line.count("}") for line in lines if not line.lstrip().startswith("#")) == 0


def test_apparmor_covers_the_folders_we_use() -> None:
    """The profile lets the server write its data folder and the mapped folders only as they are mapped."""
    text = (ROOT / "apparmor.txt").read_text("utf-8")
    inner = text[text.index("  profile server ") :]
    assert re.search(r"^\s+/data/\*\* rw\w*,$", inner, re.MULTILINE)
    for mapped in load("config.yaml")["map"]:
        mode = "r" if mapped.get("read_only", True) else "rw"
        assert re.search(rf"^\s+/{mapped['type']}/\*\* {mode},$", inner, re.MULTILINE)
    assert not re.search(r"^\s+(file|capability|mount|ptrace)\b", inner, re.MULTILINE)
