#!/usr/bin/env bash
# Runs the tests of encoders and players and writes the tables of docs/compatibility.md from
# what they heard.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo=${CARGO:-cargo}
rows=${CARGO_TARGET_DIR:-target}/tmp/compatibility
document=docs/compatibility.md
rm -rf "$rows"
failed=0
if "$cargo" nextest --version >/dev/null 2>&1; then
    "$cargo" nextest run --test system --no-fail-fast \
        -E 'test(/^encoders::/) or test(/^players::/)' || failed=1
else
    "$cargo" test --test system -- encoders:: players:: || failed=1
fi

# What did not work has no row.
for table in encoders players; do
    for row in "$rows/$table"-*; do
        [ -e "$row" ] && cat "$row"
    done >"$rows/$table" || true
    awk -v table="$table" -v file="$rows/$table" '
        $0 == "<!-- " table " -->" { print; inside = 1; lines = 0; next }
        inside && $0 == "<!-- end -->" {
            while ((getline line < file) > 0) print line
            inside = 0
        }
        inside && ++lines > 2 { next }
        { print }
    ' "$document" >"$rows/document"
    cp "$rows/document" "$document"
done
exit $failed
