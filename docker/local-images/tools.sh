# What with-docker and with-keycloak share; sourced, after `run` (a folder that ends with the run).
# Exit code 3: something could not be made.

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
give_up() { say "$*"; exit 3; }
timed() { # WHAT COMMAND…
  local what=$1 start=$SECONDS
  shift
  say "$what …"
  "$@" >"$run/output" 2>&1 || { tail -n 20 "$run/output" >&2; give_up "$what: failed (above: its last lines)"; }
  say "$what: $((SECONDS - start)) s"
}

as_root() { [ "$(id -u)" = 0 ] || give_up "$1 needs root on this machine"; }

apt_install() {
  as_root "installing $*"
  command -v apt-get >/dev/null || give_up "installing $* needs apt-get; install it by hand"
  timed "package lists" apt-get update -q
  timed "install $*" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}
