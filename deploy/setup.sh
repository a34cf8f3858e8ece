#!/usr/bin/env bash
# Makes .venv with exactly what the locks say, and the model of the demo, once. Called by make; a second call
# installs nothing.
#   NIGHTLOOM_CACHE is where the model goes; unset, ~/.cache/nightloom.
#   GPU=1 takes the CUDA build, GPU=0 the CPU build; unset, an NVIDIA driver that answers decides.
#   PYTHON names the Python to use; unset, the first suitable one is taken.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'nightloom set-up: %s\n' "$*" >&2; }
fail() { say "$*"; exit 2; }

suitable() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.11 python3.12 python3.13}; do
        if suitable "$candidate"; then echo "$candidate"; return; fi
    done
    fail "Python 3.11, 3.12 or 3.13 is needed; none was found as ${PYTHON:-python3, python3.11, python3.12 or python3.13}."
}

find_build() {
    case "${GPU:-}" in
        1) echo cuda ;;
        0) echo cpu ;;
        "") if nvidia-smi -L >/dev/null 2>&1; then echo cuda; else echo cpu; fi ;;
        *) fail "GPU is '$GPU'; it must be 1 (CUDA build), 0 (CPU build) or unset." ;;
    esac
}

[ "$(uname -s)" = Linux ] || fail "Linux is needed: vLLM has no build for $(uname -s)."
build="$(find_build)"
sum="$(cat "locks/$build.txt" locks/torch-cpu.txt pyproject.toml | sha256sum | cut -c1-16)"
stamp=".venv/nightloom-$build-$sum"
if [ -e "$stamp" ] && .venv/bin/python -c 'import sys' 2>/dev/null; then exit 0; fi

started=$SECONDS
python=.venv/bin/python
"$python" -c 'import pip' 2>/dev/null || python="$(find_python)"
if [ "$build" = cpu ] && ! "$python" -c 'import ctypes; ctypes.CDLL("libnuma.so.1")' 2>/dev/null; then
    fail "vLLM's CPU build needs the system library libnuma; on Debian: apt-get install libnuma1"
fi
# Both builds of vLLM own the same folder of packages, and pip takes one build of PyTorch for the other.
other=cpu; [ "$build" = cuda ] || other=cuda
if compgen -G ".venv/nightloom-$other-*" >/dev/null; then
    say "removing .venv, which holds the $other build"
    rm -rf .venv
fi
if ! .venv/bin/python -c 'import pip' 2>/dev/null; then
    python="$(find_python)"
    say "making .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv || fail "the virtual environment could not be made; on Debian: apt-get install python3-venv"
fi

rm -f .venv/nightloom-*
touch ".venv/nightloom-$build-unfinished"

install() { .venv/bin/python -m pip install --disable-pip-version-check -qq --no-deps "$@"; }

if [ "$build" = cpu ]; then
    # PyTorch keeps its CPU builds on an index of its own. It is named in this step alone, and only where
    # pip does not find the build by its own settings: a second index slows every look-up down.
    say "installing the CPU build of PyTorch (about 200 MB)"
    install -r locks/torch-cpu.txt 2>/dev/null ||
        install --index-url https://download.pytorch.org/whl/cpu -r locks/torch-cpu.txt ||
        fail "PyTorch could not be installed: pip's own lines above say why. Is there a network?"
fi
say "installing $(grep -c == "locks/$build.txt") packages of locks/$build.txt"
install -r "locks/$build.txt" || fail "the packages could not be installed: pip's own lines above say why."
install --no-build-isolation -e . || fail "Nightloom itself could not be installed: pip's own lines above say why."
rm -f .venv/nightloom-*
touch "$stamp"
# Nothing fails without the model: the demo makes it later, or answers with the practice model.
.venv/bin/python -m engine.models.smollm2 || true
say "done in $((SECONDS - started)) s ($build build)"
