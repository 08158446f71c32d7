#!/usr/bin/env bash
# Runs every test after the site has been built, and ends with one line that sums what the
# runners themselves reported. A step that fails, or runs no test at all, fails the whole.
#
#   scripts/test.sh                 everything
#   scripts/test.sh rust web e2e    only the steps named
set -uo pipefail
cd "$(dirname "$0")/.."

cargo=${CARGO:-cargo}
read -r -a cargo_args <<<"${CARGO_TEST_ARGS:-}"
steps=("${@:-all}")
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
passed=0 failed=0 skipped=0

wanted() {
    local step
    for step in "${steps[@]}"; do
        [ "$step" = all ] || [ "$step" = "$1" ] && return
    done
    return 1
}

# Reads a log, prints "passed failed skipped" as summed from the closing lines of
# nextest, cargo test, vitest and node's runner.
count() {
    sed 's/\x1b\[[0-9;]*m//g' "$1" | awk '
        function add(word, n) {
            if (word == "passed" || word == "pass") p += n
            else if (word ~ /^(failed|fail|cancelled|timed out|exec failed)$/) f += n
            else if (word ~ /^(skipped|ignored|todo)$/) s += n
        }
        /^ *Summary \[/ || /^test result:/ || /^ *Tests  / {
            line = $0
            while (match(line, /[0-9]+ (passed|failed|exec failed|timed out|skipped|ignored|todo)/)) {
                part = substr(line, RSTART, RLENGTH)
                line = substr(line, RSTART + RLENGTH)
                n = part + 0
                sub(/^[0-9]+ /, "", part)
                add(part, n)
            }
        }
        /^(ℹ|#) (pass|fail|cancelled|skipped|todo) [0-9]+$/ { add($2, $3) }
        END { print p + 0, f + 0, s + 0 }'
}

# step NAME TITLE COMMAND...: runs it, showing its output, and counts its tests.
step() {
    local name=$1 title=$2 log=$logs/log status p f s started=$SECONDS
    shift 2
    wanted "$name" || return 0
    echo "==> $title"
    "$@" 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    read -r p f s <<<"$(count "$log")"
    if [ "$status" != 0 ] && [ "$f" = 0 ]; then
        echo "==> $title: ended with $status"
        f=1
    elif [ "$status" = 0 ] && [ $((p + f)) = 0 ] && [ "$name" != doc ] && [ -z "${CARGO_TEST_ARGS:-}" ]; then
        echo "==> $title: ran no test"
        f=1
    fi
    echo "==> $title: $p passed, $f failed, $s skipped in $((SECONDS - started)) s"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

rust_tests() {
    if "$cargo" nextest --version >/dev/null 2>&1; then
        "$cargo" nextest run --no-fail-fast --no-tests=warn "${cargo_args[@]}"
    else
        "$cargo" test --no-fail-fast --bins --lib --tests "${cargo_args[@]}"
    fi
}

# The binary and the tests in one go: one set of features, so nothing is compiled twice.
echo "==> building the tests"
if ! "$cargo" build --bins --tests; then
    echo "0 passed, 1 failed"
    exit 1
fi
step web "TypeScript unit tests" npm --prefix web-demo test
step rust "Rust tests, unit and whole system" rust_tests
step doc "Rust documentation tests" "$cargo" test --doc --no-fail-fast "${cargo_args[@]}"
step e2e "Browser tests" npm --prefix web-demo/e2e test

# Alone on the last line, in the form that scripts read.
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
