#!/usr/bin/env bash
# Build and install IBM's aihwkit into the virtual environment, for the methods of it:  scripts/aihwkit.sh
# Environment: VENV (default .venv beside pyproject.toml), JOBS (compilers at once, default 2).
# There is no wheel of it: the source is compiled against the installed torch, six minutes on two cores.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=$(realpath "${VENV:-.venv}")
version=1.2.0
torch=2.13.0

[ -x "$venv/bin/python" ] || { echo "aihwkit: no virtual environment in $venv: run make setup" >&2; exit 2; }
if ! echo '#include <cblas.h>' | c++ -x c++ - -shared -fPIC -lopenblas -o /dev/null; then
    echo "aihwkit: a C++ compiler or OpenBLAS with its headers is missing; on Debian: apt-get install -y g++ libopenblas-dev" >&2
    exit 2
fi
pip=("$venv/bin/python" -m pip -q --disable-pip-version-check install)
"${pip[@]}" "torch==$torch"
# Its build cannot be isolated, as it needs that torch; mypy brings stubgen, which it runs by name.
"${pip[@]}" "setuptools>=77" wheel "scikit-build>=0.18.1" "pybind11>=3.0.1" "cmake>=4.2.1" ninja mypy \
    protobuf tqdm "requests>=2.32,<3" scipy scikit-learn
# torchvision, a requirement of its examples, is left out.
PATH=$venv/bin:$PATH VIRTUAL_ENV=$venv CMAKE_BUILD_PARALLEL_LEVEL=${JOBS:-2} \
    "${pip[@]}" --no-build-isolation --no-deps "aihwkit==$version"
"$venv/bin/python" -c 'import aihwkit; print("aihwkit", aihwkit.__version__)'
