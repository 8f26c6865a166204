#!/usr/bin/env bash
# Asks to register a Kubernetes cluster. For people who administer the cluster and nothing else: it needs bash, curl and kubectl, shows that
# you control the cluster with a fresh token of a service account, and ends with a short code that an admin approves.
#
#   bash -c "$(curl -fsSL URL/register.sh)" -- [flags]
#
#   --kubeconfig FILE        KUBECONFIG               the kubeconfig to use
#   --context NAME           LANYARD_CONTEXT          its context (default: the current one)
#   --namespace NAME         LANYARD_NAMESPACE        namespace of the runner's service account (default: lanyard)
#   --service-account NAME   LANYARD_SERVICE_ACCOUNT  that stands for the runner (default: lanyard-runner)
#   --create                 LANYARD_CREATE=1         create namespace and service account if they are missing
#   --ca-file FILE           LANYARD_CA_FILE          certificate authorities to trust for the server
#   --yes                    LANYARD_YES=1            ask nothing: flags and defaults answer
#
# Nothing that could log in is sent for keeping: the token lives ten minutes, is good for this server only, and is used once.
# All of it stands in functions, so that half a download does nothing.
set -euo pipefail

server=@INSTANCE_URL@
context=${LANYARD_CONTEXT:-}
namespace=${LANYARD_NAMESPACE:-}
account=${LANYARD_SERVICE_ACCOUNT:-}
create=${LANYARD_CREATE:-}
ca_file=${LANYARD_CA_FILE:-}
yes=${LANYARD_YES:-}

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

kube() {
  if [ -n "$context" ]; then kubectl --context "$context" "$@"; else kubectl "$@"; fi
}

# ask QUESTION DEFAULT: the default without a terminal or with --yes.
ask() {
  local answer=
  if [ -z "$yes" ] && { true < /dev/tty; } 2> /dev/null; then
    printf '%s [%s] ' "$1" "$2" > /dev/tty
    read -r answer < /dev/tty || true
  fi
  printf '%s' "${answer:-$2}"
}

read_flags() {
  while [ $# -gt 0 ]; do
    case $1 in
      --create) create=1; shift; continue ;;
      --yes | -y) yes=1; shift; continue ;;
      --) shift; continue ;;
      --kubeconfig | --context | --namespace | --service-account | --ca-file) [ $# -gt 1 ] || die "$1 needs a value." ;;
      *) die "$1 is unknown; known: --kubeconfig --context --namespace --service-account --create --ca-file --yes" ;;
    esac
    case $1 in
      --kubeconfig) export KUBECONFIG=$2 ;;
      --context) context=$2 ;;
      --namespace) namespace=$2 ;;
      --service-account) account=$2 ;;
      --ca-file) ca_file=$2 ;;
    esac
    shift 2
  done
}

# member NAME: a member of the JSON on standard input whose value is plain text (nothing in it is escaped).
member() { tr -d '\n' | sed -n 's/.*"'"$1"'" *: *"\([^"\\]*\)".*/\1/p'; }

check_name() {
  [[ $2 =~ ^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$ ]] || die "$1: '$2' is no Kubernetes name."
}

# ensure WHAT COMMAND...: creates what is missing, if that was agreed.
ensure() {
  local what=$1
  shift
  if [ -z "$create" ]; then
    case $(ask "There is no $what. Create it? (y/n)" n) in
      y | yes) ;;
      *) die "There is no $what: create it, or add --create." ;;
    esac
  fi
  say "creating $what"
  kube create "$@" > /dev/null
}

main() {
  read_flags "$@"
  command -v kubectl > /dev/null || die 'kubectl is needed.'
  command -v curl > /dev/null || die 'curl is needed.'

  local version issuer keys token body answer status
  version=$(kube get --raw /version | member gitVersion) || die 'The API server does not answer; see above.'
  issuer=$(kube get --raw /.well-known/openid-configuration | member issuer) || die 'The discovery document can not be read; see above.'
  keys=$(kube get --raw /openid/v1/jwks) || die 'The keys can not be read; see above.'
  [ -n "$issuer" ] || die 'The discovery document of the API server names no issuer.'
  case $keys in '{'*) ;; *) die 'What the API server calls its keys is no JSON object.' ;; esac
  say "server      $server"
  say "context     ${context:-$(kubectl config current-context 2> /dev/null || echo '(none)')}"
  say "API server  ${version:-of unknown version}"
  say "issuer      $issuer"

  [ -n "$namespace" ] || namespace=$(ask "Namespace of the runner's service account?" lanyard)
  [ -n "$account" ] || account=$(ask 'Its name?' lanyard-runner)
  check_name --namespace "$namespace"
  check_name --service-account "$account"
  kube get namespace "$namespace" > /dev/null 2>&1 || ensure "namespace $namespace" namespace "$namespace"
  kube -n "$namespace" get serviceaccount "$account" > /dev/null 2>&1 \
    || ensure "service account $namespace/$account" serviceaccount -n "$namespace" "$account"

  # The API itself instead of `kubectl create token`, which kubectl has since 1.24 only.
  token=$(printf '{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"audiences":["%s"],"expirationSeconds":600}}' "$server" \
    | kube create --raw "/api/v1/namespaces/$namespace/serviceaccounts/$account/token" -f - | member token) || die 'No token; see above.'
  [ -n "$token" ] || die 'The API server gave no token.'

  body=$(printf '{"spec":{"issuer":"%s","keys":{"jwks":%s},"runner":{"namespace":"%s","serviceAccount":"%s"},"apiServerVersion":"%s"},"token":"%s"}' \
    "$issuer" "$keys" "$namespace" "$account" "$version" "$token")
  local -a trust=()
  [ -z "$ca_file" ] || trust=(--cacert "$ca_file")
  # By standard input: a command line is readable by everybody on this host.
  answer=$(printf '%s' "$body" | curl -sS "${trust[@]+"${trust[@]}"}" --max-time 60 -w '\n%{http_code}' \
    -H 'Content-Type: application/json' -H 'Accept: text/plain' --data-binary @- "$server/v1/cluster-requests") || die 'The server does not answer; see above.'
  status=${answer##*$'\n'}
  printf '%s\n' "${answer%$'\n'*}"
  [ "$status" = 201 ] || die "Nothing was registered (HTTP $status)."
}

main "$@"
