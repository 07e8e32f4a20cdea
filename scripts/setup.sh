#!/usr/bin/env bash
# Create the virtual environment and install the project into it:  scripts/setup.sh [extra ...]
# Environment: PYTHON (default python3), VENV (default .venv beside pyproject.toml), CXX (default c++).
# Does nothing when the environment already holds these extras for these files.
set -euo pipefail

# Only shell built-ins until the tools are known to be there.
here=${BASH_SOURCE[0]%/*}
if [ "$here" = "${BASH_SOURCE[0]}" ]; then here=.; fi
venv=${VENV:-}
case $venv in "" | /*) ;; *) venv=$PWD/$venv ;; esac
cd "$here/.."
root=$PWD
venv=${venv:-$root/.venv}
python=${PYTHON:-python3}
have() { command -v "$1" >/dev/null 2>&1; }

missing=() packages=()
need() { # need <what is missing> <Debian packages that bring it>
    missing+=("$1")
    case " ${packages[*]-} " in *" $2 "*) ;; *) packages+=("$2") ;; esac
}
if ! have "$python"; then
    need "$python (Python >= 3.11)" "python3 python3-venv"
elif ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    need "Python >= 3.11 ($python is older; name another with PYTHON=...)" "python3 python3-venv"
elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    need "the venv module of $python" "python3-venv"
elif [[ $OSTYPE == linux* ]] &&
    ! "$python" -c 'import ctypes, sysconfig; ctypes.CDLL(sysconfig.get_config_var("INSTSONAME"))' 2>/dev/null; then
    # cocotb loads Python into the simulator as a shared library.
    need "the shared library of $python" "libpython$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
fi
have "${CXX:-c++}" || need "${CXX:-c++} (C++ compiler)" g++
have make || need make make
have perl || need perl perl
have ar || need ar binutils
have ld || need ld binutils
have xargs || need xargs findutils
if [ ${#missing[@]} -gt 0 ]; then
    printf 'setup: missing: %s\n' "${missing[@]}" >&2
    printf 'setup: install with:  apt-get install -y %s\n' "${packages[*]}" >&2
    exit 2
fi

# Icarus is the second simulator: without it its tests are skipped, so this never fails the setup.
if ! have iverilog; then
    if [ "$EUID" -eq 0 ] && have apt-get; then
        echo "setup: installing Icarus Verilog"
        { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends iverilog; } \
            >/dev/null 2>&1 </dev/null || true
    fi
    have iverilog || echo "setup: warning: no Icarus Verilog, its tests will be skipped; to install it:" \
        "apt-get update && apt-get install -y iverilog" >&2
fi

# The stamp: the state of the pinned files and the place installed from, then the extras installed so far.
stamp=$venv/.crosstrain-setup
key="$(cat pyproject.toml constraints.txt | cksum) $root"
stale=yes extras=" "
if [ -f "$stamp" ]; then
    { read -r old_key && read -r old_extras; } <"$stamp"
    extras=" $old_extras "
    if [ "$old_key" = "$key" ]; then stale=no; fi
fi
for extra in "$@"; do
    case $extras in *" $extra "*) ;; *) extras+="$extra " stale=yes ;; esac
done
if [ $stale = no ]; then exit 0; fi

read -ra extras <<<"$extras"
list=$(IFS=, && echo "${extras[*]-}")
echo "setup: installing crosstrain${list:+[$list]} into $venv"
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
pip=("$venv/bin/python" -m pip -qq --disable-pip-version-check install -c constraints.txt)
# The build backend is pinned like the rest: hence it is installed first, and not into pip's own isolated environment.
"${pip[@]}" setuptools wheel
"${pip[@]}" --no-build-isolation -e ".${list:+[$list]}"
case " $list," in
*[\ ,]dev,*) "${pip[@]}" --no-deps badcrossbar ;; # pyproject.toml says why it is not among the requirements
esac
printf '%s\n%s\n' "$key" "${extras[*]-}" >"$stamp"
