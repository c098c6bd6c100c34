"""The AppArmor profile, read by AppArmor's own parser: nothing is loaded into this machine's kernel."""

import re
import shutil
import subprocess
from pathlib import Path

PROFILE = Path(__file__).parents[2] / "apparmor.txt"
FEATURES = Path("/etc/apparmor.d/abi/3.0")


def parsed(folder: Path, text: str, *flags: str | Path) -> subprocess.CompletedProcess[bytes]:
    """Give a profile to the parser, with the kernel's part taken from a file."""
    program = shutil.which("apparmor_parser")
    assert program is not None
    profile = folder / "profile.txt"
    profile.write_text(text, "utf-8")
    kernel = ("--policy-features", FEATURES, "--kernel-features", FEATURES)
    return subprocess.run([program, "--skip-cache", *kernel, *flags, profile], check=False, capture_output=True)


def installed() -> str:
    """Return the profile as the Supervisor installs it, under the app's full slug."""
    return re.sub(r"^profile home_llm ", "profile local_home_llm ", PROFILE.read_text("utf-8"), flags=re.MULTILINE)


def test_profile_compiles(tmp_path: Path) -> None:
    """The parser makes a policy of the profile, for the services and for the server within."""
    names = parsed(tmp_path, installed(), "--names")
    assert names.stdout.decode().split() == ["local_home_llm", "local_home_llm//server"]
    compiled = parsed(tmp_path, installed(), "--skip-kernel-load", "--stdout")
    assert compiled.returncode == 0, compiled.stderr
    assert b"local_home_llm" in compiled.stdout


def test_parser_finds_faults(tmp_path: Path) -> None:
    """A rule that is none is refused, so that the test above can fail."""
    broken = installed().replace("    /data/** rwlk,", "    /data/** rwlk")
    assert parsed(tmp_path, broken, "--skip-kernel-load", "--stdout").returncode != 0
