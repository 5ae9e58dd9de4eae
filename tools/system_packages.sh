#!/bin/sh
# Installs the system packages that the project needs and this machine lacks:
#   tools/system_packages.sh gl PYTHON    OpenGL through EGL, checked by starting it from PYTHON
#   tools/system_packages.sh browser      Chromium and its driver, for the tests of the leaderboard's pages
set -eu

install() {
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "$2" >&2
        exit 1
    fi
    as_root=""
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null 2>&1; then
            echo "$2" >&2
            exit 1
        fi
        as_root=sudo
    fi
    echo "Installing system packages: $1"
    $as_root apt-get update -qq
    # shellcheck disable=SC2086  (a list of packages)
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $1 >/dev/null
}

gl_works() {
    "$1" -c "from natural_mujoco.rendering.gl import import_dm_control; import_dm_control()" >/dev/null 2>&1
}

case "$1" in
gl)
    gl_works "$2" && exit 0
    install "libegl1 libgl1-mesa-dri" \
        "OpenGL does not start here, and this machine has no apt to install it with. Install EGL and a driver (Mesa's packages are called libEGL and mesa-dri-drivers in most systems), then run make again."
    gl_works "$2" && exit 0
    "$2" -c "from natural_mujoco.rendering.gl import import_dm_control; import_dm_control()" 2>&1 | tail -n 1 >&2
    exit 1
    ;;
browser)
    { command -v chromium && command -v chromedriver; } >/dev/null 2>&1 && exit 0
    install "chromium chromium-driver fonts-dejavu-core" \
        "The tests of the leaderboard need chromium and chromedriver on the PATH. Install them, then run make again."
    ;;
*)
    echo "usage: $0 gl PYTHON | browser" >&2
    exit 2
    ;;
esac
