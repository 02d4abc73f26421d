# What scripts/test, scripts/check and .ci/run share: a Python, an environment, memcached.
#
# POSIX sh, to be sourced with the checkout as the current directory. Defines functions and changes
# nothing by itself. They talk on standard error; standard output is for results.
#
#   PYTHON   the Python to use; default: the first that runs of python3.11, 3.12, 3.13, 3.14, python3
#   VENV     where the environment is made; default: .venv

VENV=${VENV:-.venv}

say() { printf '%s\n' "$*" >&2; }

# The path of the Python that command $1 starts, if it starts one that we support, and if that is
# of version $2 where one is named. Asking it is the only proof: version managers put commands on
# the path that fail.
python_of() {
    "$1" -c '
import sys
version = "%d.%d" % sys.version_info[:2]
if sys.version_info < (3, 11) or sys.argv[1] not in ("", version):
    sys.exit(1)
print(sys.executable)' "${2:-}" </dev/null 2>/dev/null
}

# The path of a Python of version $1 (3.12), from the path or from pyenv.
find_python() {
    python_of "python$1" "$1" && return
    for candidate in "$(pyenv root 2>/dev/null || echo "$HOME/.pyenv")/versions/$1".*/bin/python; do
        case $candidate in
            */versions/*[!0-9.]*/bin/python) ;; # a pre-release, or a free-threaded build
            *) python_of "$candidate" "$1" && return ;;
        esac
    done
    return 1
}

choose_python() {
    if [ -n "${PYTHON:-}" ]; then
        python_of "$PYTHON" && return
        say "PYTHON=$PYTHON is not a Python 3.11 or newer that runs."
        return 1
    fi
    for version in 3.11 3.12 3.13 3.14; do
        find_python $version && return
    done
    python_of python3 && return
    say "No Python 3.11 or newer found; name one with PYTHON=/path/to/python."
    return 1
}

# Install Debian packages, where apt is there and we may.
apt_install() {
    if ! command -v apt-get >/dev/null; then
        return 1
    elif [ "$(id -u)" = 0 ]; then
        as_root=
    elif sudo -n true 2>/dev/null; then
        as_root="sudo -n"
    else
        return 1
    fi
    say "Installing $* by apt."
    # One repository out of reach does not matter if the package comes from another.
    $as_root apt-get update -qq >&2 || true
    $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq -y --no-install-recommends "$@" </dev/null >&2
}

need_memcached() {
    # And memccapable, which asks a server whether it can do all that memcached can; and the ways to
    # say who is there (SASL) that memcached takes from elsewhere.
    { command -v memcached && command -v memccapable &&
        find /usr/lib /usr/lib64 -path '*sasl2/libplain.so*' | grep .; } >/dev/null 2>&1 ||
        apt_install memcached libmemcached-tools libsasl2-modules ||
        say "There is no memcached or no memccapable here, and they could not be installed: the" \
            "tests that need them will fail. To leave them out: -m 'not memcached'."
}

# Make an empty environment in $VENV, of the Python $python, with $tool.
create_environment() {
    say "Making an environment in $VENV with $tool and $("$python" -V)."
    rm -rf "$VENV"
    mkdir -p "$VENV"
    # Ours from here on, finished or not.
    echo unfinished >"$VENV/.stamp"
    if [ "$tool" = uv ]; then
        uv venv --quiet --allow-existing --no-project --python "$python" "$VENV"
        return
    fi
    # Debian has what `venv` needs in a package of its own.
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        apt_install "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')" ||
        say "$python has no venv or no ensurepip."
    "$python" -m venv "$VENV"
}

install() {
    if [ "$tool" = uv ]; then
        uv pip install --quiet --python "$VENV/bin/python" --constraint scripts/constraints.txt "$@"
    else
        "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check \
            --constraint scripts/constraints.txt "$@" </dev/null
    fi
}

# The real pylibmc, for what is compared with it. Its wheels have an old libmemcached inside, or are
# not there for a Python: it is compiled against the one that the system has.
install_pylibmc() {
    # For the headers of a Python that is Debian's own.
    headers=$("$VENV/bin/python" -c '
import os, sys, sysconfig
if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
    print("libpython%d.%d-dev" % sys.version_info[:2])')
    if [ ! -e /usr/include/libmemcached/memcached.h ] || [ ! -e /usr/include/zlib.h ] ||
        ! command -v cc >/dev/null || [ -n "$headers" ]; then
        # shellcheck disable=SC2086 # none or one
        apt_install gcc libc6-dev libmemcached-dev libsasl2-dev zlib1g-dev $headers || true
    fi
    install --no-binary pylibmc "pylibmc==1.6.3" ||
        say "The real pylibmc could not be compiled here (Debian: apt-get install gcc" \
            "libmemcached-dev zlib1g-dev): the tests that compare with it will fail. To leave them" \
            "out: -m 'not pylibmc'."
}

# Afterwards $VENV has what the suite needs; and the developers' tools, if $1 is "dev", not "test".
#
# The stamp tells what it was made from. An environment that was made from anything else, or not
# finished, is made anew; one that we have not made is left alone.
environment() {
    python=$(choose_python) || return 1
    if command -v uv >/dev/null; then tool=uv; else tool=pip; fi
    # The path is part of it, since a copied environment goes on to use the original's code.
    made_from=$({
        cat pyproject.toml scripts/constraints.txt scripts/_env.sh
        echo "$tool" "$PWD" "$python"
        "$python" -VV
    } | cksum | tr ' ' -)

    mkdir -p "$(dirname "$VENV")"
    if command -v flock >/dev/null; then # one at a time: two terminals, one checkout
        exec 9>"$VENV.lock"
        flock 9
    fi
    environment_of "$1"
    status=$?
    exec 9>&-
    return $status
}

environment_of() {
    stamp=$(cat "$VENV/.stamp" 2>/dev/null || true)
    case "$stamp for $1" in
        "$made_from dev for "* | "$made_from test for test") return ;;
        "$made_from test for dev") ;;
        " for "*)
            if [ -e "$VENV" ]; then
                say "$VENV was not made by these scripts: move it, or name another place with VENV=."
                return 1
            fi
            create_environment || return
            ;;
        *) create_environment || return ;;
    esac
    if [ "$1" = dev ]; then
        # pip knows dependency groups from 25.1 on only; every Python that we support knows TOML.
        "$python" -c '
import tomllib
with open("pyproject.toml", "rb") as file:
    print(*tomllib.load(file)["dependency-groups"]["dev"], sep="\n")' >"$VENV/requirements.txt" &&
            install --editable ".[test]" --requirement "$VENV/requirements.txt" || return
    else
        install --editable ".[test]" || return
    fi
    install_pylibmc
    echo "$made_from $1" >"$VENV/.stamp"
}
