#!/bin/sh
# Fetches the pinned third-party files of the web pages into vendor/ and writes vendor/VENDOR.md (maintainers only: `make vendor`).
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
out="$here/vendor"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# package version licence, then the files to keep (source:destination)
list() {
cat <<'LIST'
htmx.org 2.0.11 0BSD dist/htmx.min.js:htmx.min.js LICENSE:LICENSE.htmx.txt
@tabler/core 1.6.1 MIT dist/css/tabler.min.css:tabler.min.css
@fontsource-variable/inter 5.3.0 OFL-1.1 files/inter-latin-wght-normal.woff2:inter-latin.woff2 files/inter-latin-ext-wght-normal.woff2:inter-latin-ext.woff2 files/inter-cyrillic-wght-normal.woff2:inter-cyrillic.woff2 files/inter-greek-wght-normal.woff2:inter-greek.woff2 LICENSE:LICENSE.inter.txt
vega 6.4.0 BSD-3-Clause build/vega.min.js:vega.min.js LICENSE:LICENSE.vega.txt
vega-lite 6.4.3 BSD-3-Clause build/vega-lite.min.js:vega-lite.min.js LICENSE:LICENSE.vega-lite.txt
vega-embed 7.3.0 BSD-3-Clause build/vega-embed.min.js:vega-embed.min.js LICENSE:LICENSE.vega-embed.txt
swagger-ui-dist 5.35.0 Apache-2.0 swagger-ui-bundle.js:swagger-ui-bundle.js swagger-ui.css:swagger-ui.css LICENSE:LICENSE.swagger-ui.txt NOTICE:NOTICE.swagger-ui.txt
LIST
}

mkdir -p "$out"
rows="$work/rows"
: > "$rows"
list | while read -r name version licence files; do
    rm -rf "$work/package"
    tarball=$(cd "$work" && npm pack --ignore-scripts --silent "$name@$version")
    tar -xzf "$work/$tarball" -C "$work"
    for pair in $files; do
        # Source maps are not carried, so their last-line references go too: a browser would ask for them in vain.
        case "$pair" in
            *.js|*.css) sed -e 's|^//# sourceMappingURL=.*$||' -e 's|/\*# sourceMappingURL=[^*]*\*/||' "$work/package/${pair%%:*}" > "$out/${pair#*:}" ;;
            *) cp "$work/package/${pair%%:*}" "$out/${pair#*:}" ;;
        esac
        sum=$(sha256sum "$out/${pair#*:}" | cut -d' ' -f1)
        printf '| %s | %s | %s | %s | `%s` |\n' "$name" "$version" "$licence" "${pair#*:}" "$sum" >> "$rows"
    done
done

# Tabler ships no licence file: its terms are MIT, as the header of its style sheet says.
cat > "$out/LICENSE.tabler.txt" <<'MIT'
MIT License

Copyright 2018-2026 The Tabler Authors
Copyright 2018-2026 codecalm.net Paweł Kuna

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
MIT
sum=$(sha256sum "$out/LICENSE.tabler.txt" | cut -d' ' -f1)
printf '| %s | %s | %s | %s | `%s` |\n' "@tabler/core" "1.6.1" "MIT" "LICENSE.tabler.txt" "$sum" >> "$rows"

{
    echo '# Third-party files of the web pages'
    echo
    echo 'Written by `make vendor` (web/static/vendor.sh), which alone changes them; a test compares the hashes.'
    echo
    echo '| package | version | licence | file | SHA-256 |'
    echo '|---|---|---|---|---|'
    cat "$rows"
} > "$out/VENDOR.md"
