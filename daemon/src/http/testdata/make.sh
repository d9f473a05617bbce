#!/bin/sh
# Makes the certificates of the sender's tests: a root, and servers that are right and for another host.
set -eu
cd "$(dirname "$0")"
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"; }
key root
openssl req -x509 -new -key root.key -subj "/CN=tokenkeeper test root" -days 36500 \
    -addext "keyUsage=critical,keyCertSign" -out root.pem
server() { # name, subject alternative name
    openssl req -new -key server.key -subj "/CN=tokenkeeper test server" -addext "subjectAltName=$2" |
        openssl x509 -req -CA root.pem -CAkey root.key -copy_extensions copy -days 36500 -out "$1.pem"
}
key server
server right IP:127.0.0.1
server other-host DNS:other.example
rm root.key
