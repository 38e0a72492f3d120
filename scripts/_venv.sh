# Sourced by scripts/demo, scripts/test and scripts/check: makes .venv once and installs what is named, when pyproject.toml changed.
# Usage: . scripts/_venv.sh EXTRAS   ("" for what the tool itself needs)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
extras="$1"
python="${PYTHON:-python3}"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "fsrbench needs Python 3.11 or newer; $("$python" --version) found. Set PYTHON to another one." >&2
  exit 2
}
bin=.venv/bin
[ -d .venv/Scripts ] && bin=.venv/Scripts
if [ ! -e "$bin/python" ] && [ ! -e "$bin/python.exe" ]; then
  echo "Making .venv …" >&2
  "$python" -m venv .venv
  [ -d .venv/Scripts ] && bin=.venv/Scripts
fi
stamp=".venv/.installed-${extras:-base}"
if ! cmp -s pyproject.toml "$stamp"; then
  echo "Installing (the first time takes minutes: torch is large) …" >&2
  pip() { "$bin/python" -m pip --quiet --disable-pip-version-check "$@"; }
  case ",$extras," in
    *,upstream,*) # basicsr wants torch while it is built; without this pip would fetch a second one for that alone
      pip install --editable .
      pip install setuptools wheel cython
      if "$bin/python" -c 'import sys; sys.exit(sys.version_info >= (3, 13))'; then
        pip install --no-build-isolation basicsr==1.4.2
      fi ;;
  esac
  pip install --editable ".${extras:+[$extras]}"
  cp pyproject.toml "$stamp"
fi
