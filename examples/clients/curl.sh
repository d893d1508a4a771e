#!/usr/bin/env bash
# Fields, a page, and a batch, by curl.
set -euo pipefail
api="${1:?where is Larder? As in http://127.0.0.1:8080}"

echo "Two fields of three users:"
curl -sS --fail "$api/users?fields=id,city&page=2&per_page=3"
echo

echo "The same again costs a head, as it has not changed:"
tag=$(curl -sS --fail -o /dev/null -D - "$api/users?fields=id" | tr -d '\r' | sed -n 's/^etag: //Ip')
curl -sS -o /dev/null -w '%{http_code}\n' -H "If-None-Match: $tag" "$api/users?fields=id"

echo "Three requests in one, line by line:"
curl -sS --fail "$api/_batch" -H 'Content-Type: application/json' \
    -H 'Accept: application/x-ndjson' -d '["/users/7?fields=name", "/users/8?fields=name", "/nobody"]'
