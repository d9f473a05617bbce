#!/usr/bin/env python3
"""Makes the test vectors from docs/vault-format.md with another implementation of every primitive: PyNaCl (libsodium)
for the cipher and Argon2id, Python's own hashes. Usage: make.py > vectors.json"""

import hashlib
import hmac
import json
import struct

from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt as encrypt
from nacl.pwhash.argon2id import kdf

CLASSES = (3840, 7936, 16128, 32512)
KEY = bytes(range(32))
VAULT = bytes(range(100, 116))
BINDING = hashlib.sha256(b"a binding").digest()
ZEROS = bytes(32)


def parts(*all_parts):
    return b"".join(struct.pack("<I", len(part)) + part for part in all_parts)


def digest(*all_parts):
    return hashlib.sha256(parts(*all_parts)).digest()


def aad(kind, account, generation, size_class, binding):
    numbers = struct.pack("<Q", generation), struct.pack("<Q", size_class)
    return parts(b"tokenkeeper vault 1", VAULT, kind.encode(), account.encode(), *numbers, binding)


def seal(key, nonce, kind, account, generation, size_class, binding, plaintext):
    return nonce + encrypt(plaintext, aad(kind, account, generation, size_class, binding), nonce, key)


def record(nonce, kind, account, generation, binding, body, version=1, length=None):
    size = min(c for c in CLASSES if len(body) <= c - 45)
    padded = bytes([version]) + struct.pack("<I", len(body) if length is None else length) + body
    return seal(KEY, nonce, kind, account, generation, size, binding, padded.ljust(size - 40, b"\0"))


def hkdf(secret, salt, info):
    prk = hmac.new(salt, secret, hashlib.sha256).digest()
    return hmac.new(prk, info + b"\1", hashlib.sha256).digest()


def nonce(n):
    return bytes([n]) * 24


def text(value):
    return json.dumps(value, separators=(",", ":")).encode()


FACTS = {
    "claims": None, "scopes": ["openid", "offline_access"], "signed_in_at": 1700000000000, "refreshed_at": 1700000001000,
    "asked_at": 0, "login_ends_at": None, "rotates": True, "refreshes": 3, "ended": None,
}
INTENT = {
    "attempts": 1, "generation": 7, "token_hash": list(range(32)), "wall": 1700000002000, "boot": 5000,
    "boot_id": list(range(16)),
}
TOKEN = bytes([1]) + struct.pack("<Q", 7) + seal(KEY, nonce(1), "refresh-token", "work", 7, 0, BINDING, b"rt-7")
GRANT = parts(text({"facts": FACTS, "intent": INTENT}), TOKEN, b"")
ACCESS = {
    "kind": "access", "token_type": "Bearer", "scopes": ["openid"], "generation": 7, "minted": 1700000001000,
    "expiry": {"boot": 9000, "wall": 1700000060000, "boot_id": list(range(16)), "noted": 1700000001000},
}
SALT = bytes(range(200, 232))


def row(kind, generation, binding, sealed):
    return {"kind": kind, "generation": generation, "binding": binding.hex(), "sealed": sealed.hex()}


def slot(slot_id, kind, params, secret):
    params = params if isinstance(params, str) else text(params).decode()
    key = hkdf(secret, SALT, parts(b"tokenkeeper slot 1", VAULT, slot_id.encode(), kind.encode()))
    bound = digest(kind.encode(), params.encode(), SALT)
    wrapped = seal(key, nonce(4), "slot", slot_id, 0, 0, bound, KEY)
    total = digest(VAULT, slot_id.encode(), kind.encode(), params.encode(), SALT, wrapped)
    return {"id": slot_id, "kind": kind, "params": params, "salt": SALT.hex(), "wrapped": wrapped.hex(), "sum": total.hex()}


COST = {"memory_kib": 65536, "passes": 3, "lanes": 1}
# libsodium takes 16 bytes of salt only, so this vector's slot has them.
PASSPHRASE_SECRET = kdf(32, b"correct horse", SALT[:16], opslimit=3, memlimit=65536 * 1024)
grant_row = record(nonce(2), "grant", "work", 7, BINDING, GRANT)
flipped = bytearray(grant_row)
flipped[1000] ^= 1

print(json.dumps({
    "key": KEY.hex(),
    "vault": VAULT.hex(),
    "account": "work",
    "bindings": [
        {"issuer": issuer, "client_id": client, "token_endpoint": endpoint,
         "binding": digest(issuer.encode(), client.encode(), endpoint.encode()).hex()}
        for issuer, client, endpoint in [
            ("https://acme.eu.auth0.com/", "8hJ", ""),
            ("", "cli", "https://sso.acme.example/token"),
            ("", "", ""),
        ]
    ],
    "good": {
        "grant": {"row": row("grant", 7, BINDING, grant_row), "refresh_token": "rt-7", "refreshes": 3, "attempts": 1},
        "forgotten": {"row": row("grant", 9, BINDING, record(nonce(3), "grant", "work", 9, BINDING, parts(text({"facts": None, "intent": None}), b"", b"")))},
        "tokens": {"row": row("tokens", 7, BINDING, record(nonce(5), "tokens", "work", 7, BINDING, parts(text(ACCESS), b"at-7"))), "access_token": "at-7"},
        "large": {"row": row("client-secret", 0, ZEROS, record(nonce(6), "client-secret", "work", 0, ZEROS, b"s" * 4000)), "length": 4000},
        "client_secret": {"row": row("client-secret", 0, ZEROS, record(nonce(7), "client-secret", "work", 0, ZEROS, b"cs-1")), "secret": "cs-1"},
        "meta": {
            "blob": seal(KEY, nonce(8), "meta", "", 0, 0, ZEROS, text({"machine": list(digest(b"tokenkeeper machine 1", VAULT, b"0123456789abcdef0123456789abcdef"))})).hex(),
            "machine_id": "0123456789abcdef0123456789abcdef",
        },
        "slot": {"slot": slot("keyfile", "keyfile", {"path": "/etc/key"}, b"k" * 40), "secret": (b"k" * 40).hex()},
        "passphrase": {"passphrase": "correct horse", "salt": SALT[:16].hex(), "params": text(COST).decode(), "secret": PASSPHRASE_SECRET.hex()},
    },
    "bad": [
        {"why": "one bit of the ciphertext", "row": row("grant", 7, BINDING, bytes(flipped))},
        {"why": "cut", "row": row("grant", 7, BINDING, grant_row[:-1])},
        {"why": "another generation", "row": row("grant", 8, BINDING, grant_row)},
        {"why": "another binding", "row": row("grant", 7, ZEROS, grant_row)},
        {"why": "another kind", "row": row("tokens", 7, BINDING, grant_row)},
        {"why": "sealed for another account", "row": row("grant", 7, BINDING, record(nonce(2), "grant", "play", 7, BINDING, GRANT))},
        {"why": "another version of the padding", "row": row("grant", 7, BINDING, record(nonce(9), "grant", "work", 7, BINDING, GRANT, version=2))},
        {"why": "a length beyond the record", "row": row("grant", 7, BINDING, record(nonce(9), "grant", "work", 7, BINDING, GRANT, length=3796))},
        {"why": "the largest length", "row": row("grant", 7, BINDING, record(nonce(9), "grant", "work", 7, BINDING, GRANT, length=0xffffffff))},
        {"why": "a part beyond the body", "row": row("grant", 7, BINDING, record(nonce(9), "grant", "work", 7, BINDING, struct.pack("<I", 99)))},
        {"why": "no JSON", "row": row("grant", 7, BINDING, record(nonce(9), "grant", "work", 7, BINDING, parts(b"{", b"", b"")))},
        {"why": "an unknown kind of token", "row": row("tokens", 7, BINDING, record(nonce(9), "tokens", "work", 7, BINDING, parts(text({**ACCESS, "kind": "other"}), b"x")))},
        {"why": "a text without its token", "row": row("tokens", 7, BINDING, record(nonce(9), "tokens", "work", 7, BINDING, parts(text(ACCESS))))},
        {"why": "empty", "row": row("grant", 7, BINDING, b"")},
    ],
    "bad_slots": [
        {"why": "another secret", "intact": True, "slot": slot("keyfile", "keyfile", {"path": "/etc/key"}, b"j" * 40), "secret": (b"k" * 40).hex()},
        {"why": "parameters changed, sum and all", "intact": False, "slot": {**slot("keyfile", "keyfile", {"path": "/etc/key"}, b"k" * 40), "params": "{\"path\":\"/tmp/key\"}"}, "secret": (b"k" * 40).hex()},
        {"why": "wrapped for another slot", "intact": False, "slot": {**slot("keyfile-2", "keyfile", {"path": "/etc/key"}, b"k" * 40), "id": "keyfile"}, "secret": (b"k" * 40).hex()},
    ],
}, indent=1))
