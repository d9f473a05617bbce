#!/bin/sh
# Makes the keys beside it anew, but for ed25519.pem: that one is RFC 8037's own example (appendix A.1).
set -eu
cd "$(dirname "$0")"
openssl ecparam -name prime256v1 -genkey -noout -out p256-sec1.pem
openssl pkcs8 -topk8 -nocrypt -in p256-sec1.pem -out p256.pem
openssl pkcs8 -topk8 -passout pass:x -in p256-sec1.pem -out encrypted.pem
openssl ecparam -name secp384r1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out p384.pem
openssl ecparam -name secp521r1 -genkey -noout -out p521.pem
openssl genrsa -traditional -out rsa-pkcs1.pem 2048
openssl pkcs8 -topk8 -nocrypt -in rsa-pkcs1.pem -out rsa.pem
openssl genrsa -out rsa-1024.pem 1024
