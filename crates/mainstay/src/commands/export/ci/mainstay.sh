#!/bin/sh
# What the pipeline of @APP@ does. Written by `mainstay export ci`; change it as you like. It runs by hand, too:
#
#   sh ci/mainstay.sh build|test|audit|pack
#   sh ci/mainstay.sh install             the client of Mainstay, by its digest
#   sh ci/mainstay.sh check               what can be known from the checkout alone; check.sarif
#   sh ci/mainstay.sh plan|deploy ENV     a dry run there; a deploy there
#   sh ci/mainstay.sh smoke ENV [URL]     what serves there, from here
#
# It takes from the environment, and writes none of it down:
#   MAINSTAY_URL, MAINSTAY_SHA256         where the program is got from, and its digest; or MAINSTAY_BIN, where it lies
#   MAINSTAY_HOST                         mainstay_login@SERVER[:PORT]
#   MAINSTAY_SSH_KEY                      the private key of the CI: its text, or a file with it
#   MAINSTAY_KNOWN_HOSTS                  the server's lines of known_hosts: their text, or a file with them
set -eu
umask 077
cd "$(dirname "$0")/.."

# Outside of the checkout: what lies in it is deployed.
bin="${MAINSTAY_BIN:-${HOME:-/tmp}/.cache/mainstay-ci/mainstay}"

say() { echo "mainstay.sh: $*" >&2; }
need() { eval "test -n \"\${$1:-}\"" || { say "the variable $1 is not set; docs/guide/ci.md says what it holds"; exit 1; }; }

# A variable that is a file, as GitLab gives it, or the text itself.
text() { if test -f "$1"; then cat "$1"; else printf '%s\n' "$1"; fi | tr -d '\r'; }

# The key lies in a folder of this process alone, for as long as it runs.
login() {
	for name in MAINSTAY_HOST MAINSTAY_SSH_KEY MAINSTAY_KNOWN_HOSTS; do need "$name"; done
	keys="$(mktemp -d)"
	trap 'rm -rf "$keys"' EXIT
	trap 'exit 130' INT TERM
	text "$MAINSTAY_SSH_KEY" >"$keys/key"
	text "$MAINSTAY_KNOWN_HOSTS" >"$keys/known_hosts"
	cat >"$keys/config" <<-END
		IdentityFile $keys/key
		IdentitiesOnly yes
		UserKnownHostsFile $keys/known_hosts
		GlobalKnownHostsFile /dev/null
		StrictHostKeyChecking yes
		BatchMode yes
	END
	unset MAINSTAY_SSH_KEY
	export MAINSTAY_SSH="ssh -F $keys/config"
}

# What pack and check have written here is none of the app: by hand all steps share one checkout.
own() { rm -f release.tar check.sarif; }

case "${1:-}" in
build)
	@BUILD@
	;;
test)
	@TEST@
	;;
audit)
	@AUDIT@
	;;
pack)
	# The bytes that were built and tested are those that are deployed.
	tar --exclude=./.git --exclude=./release.tar --exclude=./check.sarif -cf release.tar .
	sha256sum release.tar
	;;
install)
	if test -z "${MAINSTAY_BIN:-}"; then
		need MAINSTAY_URL
		need MAINSTAY_SHA256
		mkdir -p "$(dirname "$bin")"
		curl --proto '=https' --tlsv1.2 -fsSL --retry 3 -o "$bin.new" "$MAINSTAY_URL"
		echo "$MAINSTAY_SHA256  $bin.new" | sha256sum -c - >/dev/null || { say "what MAINSTAY_URL gives is not what MAINSTAY_SHA256 says"; exit 1; }
		chmod +x "$bin.new"
		mv "$bin.new" "$bin"
	fi
	"$bin" version
	;;
check)
	unset MAINSTAY_HOST
	code=0
	"$bin" check --checkout --fail-on error || code=$?
	"$bin" check --checkout --fail-on error --format sarif >check.sarif || test $? = 2
	exit "$code"
	;;
plan)
	own
	login
	# 2: something would change, which is what a change is for.
	"$bin" --env "$2" deploy --dry-run || test $? = 2
	;;
deploy)
	own
	login
	"$bin" --env "$2" deploy
	;;
smoke)
	login
	"$bin" --env "$2" status
	"$bin" --env "$2" check --live --fail-on error
	if test -n "${3:-}"; then
		curl -fsS --retry 5 --retry-delay 2 --max-time 30 -o /dev/null -w '%{http_code} %{url_effective}\n' "$3"
	fi
	;;
*)
	say "build, test, audit, pack, install, check, plan ENV, deploy ENV, smoke ENV [URL]"
	exit 64
	;;
esac
