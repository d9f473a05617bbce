#!/usr/bin/env python3
"""Makes the test vectors from docs/vault-format.md with another implementation of every primitive: PyNaCl (libsodium)
for the cipher, argon2-cffi (the reference implementation in C) for Argon2id, Python's own hashes.
Usage: make.py > vectors.json"""

import base64
import hashlib
import hmac
import json
import struct

from argon2.low_level import Type, hash_secret_raw
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt as encrypt

CLASSES = (3840, 7936, 16128, 32512)
KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
VAULT = bytes(range(100, 116))
OTHER_VAULT = bytes(range(101, 117))
BINDING = hashlib.sha256(b"a binding").digest()
ZEROS = bytes(32)


def u32(number):
    return struct.pack("<I", number)


def u64(number):
    return struct.pack("<Q", number)


def parts(*all_parts):
    return b"".join(u32(len(part)) + part for part in all_parts)


def digest(*all_parts):
    return hashlib.sha256(parts(*all_parts)).digest()


def aad(kind, account, generation, size_class, binding, vault=VAULT, name=b"tokenkeeper vault 1"):
    return parts(name, vault, kind.encode(), account.encode(), u64(generation), u64(size_class), binding)


def seal(key, nonce, associated, plaintext):
    return nonce + encrypt(plaintext, associated, nonce, key)


def padded(body, size, version=1, length=None, padding=b"\0"):
    head = bytes([version]) + u32(len(body) if length is None else length)
    return (head + body).ljust(size - 40, padding)


def size_of(body):
    return min(c for c in CLASSES if len(body) <= c - 45)


def record(n, kind, account, generation, binding, body, key=KEY, **odd):
    size = size_of(body)
    of = {"vault": VAULT, "name": b"tokenkeeper vault 1", **{k: odd.pop(k) for k in ("vault", "name") if k in odd}}
    return seal(key, nonce(n), aad(kind, account, generation, size, binding, **of), padded(body, size, **odd))


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
ACCESS = {
    "kind": "access", "token_type": "Bearer", "scopes": ["openid"], "generation": 7, "minted": 1700000001000,
    "expiry": {"boot": 9000, "wall": 1700000060000, "boot_id": list(range(16)), "noted": 1700000001000},
}
ID = {**ACCESS, "kind": "id", "expiry": None}


REVOCATION = {
    "at": 1700000004000, "issuer": "https://as.example", "token_endpoint": "https://as.example/token",
    "revocation_endpoint": "https://as.example/revoke", "auth_methods": None, "client_id": "cli", "client_auth": "post",
    "client_secret_file": None, "private_key_file": None, "private_key_id": None, "assertion_audience": "issuer",
}

REGISTRATION = {"client_id": "c-1", "issuer": "https://as.example", "secret_expires_at": 1800000000, "client_uri": "https://as.example/reg/c-1"}


def token(n, generation, secret, account="work", binding=BINDING, version=1):
    sealed = seal(KEY, nonce(n), aad("refresh-token", account, generation, 0, binding), secret)
    return bytes([version]) + u64(generation) + sealed


def grant(facts=FACTS, intent=None, current=None, previous=b""):
    return parts(text({"facts": facts, "intent": intent}), token(1, 7, b"rt-7") if current is None else current, previous)


def row(kind, generation, binding, sealed):
    return {"kind": kind, "generation": generation, "binding": binding.hex(), "sealed": sealed.hex()}


def good_row(name, n, kind, generation, body, says, binding=BINDING, account="work"):
    return {"why": name, "row": row(kind, generation, binding, record(n, kind, account, generation, binding, body)), **says}


SALT = bytes(range(200, 232))
COST = {"memory_kib": 65536, "passes": 3, "lanes": 1}


def stretch(passphrase):
    return hash_secret_raw(passphrase, SALT, COST["passes"], COST["memory_kib"], COST["lanes"], 32, Type.ID)


def slot(slot_id, kind, params, secret, /, wraps=KEY, **changed):
    """A slot, and the same with columns changed afterwards; with `sum` = True the sum is made to fit again."""
    params = params if isinstance(params, str) else text(params).decode()
    key = hkdf(secret, SALT, parts(b"tokenkeeper slot 1", VAULT, slot_id.encode(), kind.encode()))
    bound = digest(kind.encode(), params.encode(), SALT)
    wrapped = seal(key, nonce(4), aad("slot", slot_id, 0, 0, bound), wraps)
    made = {"id": slot_id, "kind": kind, "params": params, "salt": SALT, "wrapped": wrapped}
    fit = changed.pop("sum", True)
    before = dict(made)
    made.update(changed)
    of = made if fit else before
    total = digest(VAULT, of["id"].encode(), of["kind"].encode(), of["params"].encode(), of["salt"], of["wrapped"])
    return {**made, "salt": made["salt"].hex(), "wrapped": made["wrapped"].hex(), "sum": total.hex()}


def meta(n, value, vault=VAULT):
    return seal(KEY, nonce(n), aad("meta", "", 0, 0, ZEROS, vault), value if isinstance(value, bytes) else text(value))


MACHINE = b"0123456789abcdef0123456789abcdef"
META = {"machine": list(digest(b"tokenkeeper machine 1", VAULT, MACHINE))}


def sink(account=b"work", replaces=b"", rows=(), vault=VAULT, name=b"tokenkeeper sink 1"):
    whole = parts(name, vault, account, replaces, *rows)
    return whole + digest(whole)


SEALED = record(2, "grant", "work", 7, BINDING, grant(intent=INTENT))
SUNK = parts(b"grant", u64(7), BINDING, SEALED)


def changed(blob, at):
    flipped = bytearray(blob)
    flipped[at] ^= 1
    return bytes(flipped)


SHORT = "it is cut short"
CLASS = "it has the length of no size class"
SEAL = "its seal does not open: another key, another place, or changed bytes"
VERSION = "it is of a version that this program does not know"
LENGTH = "its length leads beyond its end"
PADDING = "its padding is not empty"
NO_KEY = "what it wraps is no key"
PART = "a part of it leads beyond its end"
TEXT = "its text is not what such a record says"
REST = "there is something behind its last part"
TOKEN_KIND = "a token in it is of no known kind"
NO_TOKEN = "a token in it is missing"


def bad_row(why, error, kind, sealed, generation=7, binding=BINDING):
    return {"why": why, "error": error, "row": row(kind, generation, binding, sealed)}


def bad_grant(why, error, body, **odd):
    return bad_row(why, error, "grant", record(9, "grant", "work", 7, BINDING, body, **odd))


def bad_tokens(why, error, *body):
    return bad_row(why, error, "tokens", record(9, "tokens", "work", 7, BINDING, parts(*body)))


def bad_registration(why, error, *body):
    sealed = record(9, "registration", "work", 0, ZEROS, parts(*body))
    return bad_row(why, error, "registration", sealed, generation=0, binding=ZEROS)


def bad_revocations(why, error, *body):
    sealed = record(9, "revocations", "work", 0, ZEROS, parts(*body))
    return bad_row(why, error, "revocations", sealed, generation=0, binding=ZEROS)


SIZE = size_of(grant())
FULL = grant(previous=token(10, 6, b"rt-6"))

GOOD_GRANTS = [
    good_row("in the middle of a refresh", 2, "grant", 7, grant(intent=INTENT),
             {"refresh_token": "rt-7", "previous": None, "refreshes": 3, "attempts": 1, "held": None}),
    good_row("with the token before", 11, "grant", 7, FULL,
             {"refresh_token": "rt-7", "previous": "rt-6", "refreshes": 3, "attempts": None, "held": None}),
    good_row("held", 12, "grant", 7, grant({**FACTS, "ended": {"at": 1700000003000, "why": "as.example says so", "held": True}}),
             {"refresh_token": "rt-7", "previous": None, "refreshes": 3, "attempts": None, "held": True}),
    good_row("with facts that this version does not know", 13, "grant", 7, grant({**FACTS, "later": 1}),
             {"refresh_token": "rt-7", "previous": None, "refreshes": 3, "attempts": None, "held": None}),
    good_row("without a refresh token", 14, "grant", 7, grant(current=b"", facts={}),
             {"refresh_token": None, "previous": None, "refreshes": 0, "attempts": None, "held": None}),
    good_row("of the second size class", 15, "grant", 7, grant({**FACTS, "scopes": ["s" * 5000]}),
             {"refresh_token": "rt-7", "previous": None, "refreshes": 3, "attempts": None, "held": None}),
]

# RFC 7515, appendix A.3.1, as PKCS#8.
P256 = {"x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}
P256_PRIVATE = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"


def unbase64(word):
    return base64.urlsafe_b64decode(word + "=")


PROOF_KEY = (bytes.fromhex("308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420") + unbase64(P256_PRIVATE)
             + bytes.fromhex("a14403420004") + unbase64(P256["x"]) + unbase64(P256["y"]))
THUMBPRINT = hashlib.sha256(
    f'{{"crv":"P-256","kty":"EC","x":"{P256["x"]}","y":"{P256["y"]}"}}'.encode()).digest()

SLOT = ("keyfile", "keyfile", {"path": "/etc/key"}, b"k" * 40)

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
    "grants": GOOD_GRANTS,
    "forgotten": {"why": "logged out", "row": row("grant", 9, BINDING, record(3, "grant", "work", 9, BINDING, grant(None, current=b"")))},
    "tokens": [
        good_row("one", 5, "tokens", 7, parts(text(ACCESS), b"at-7"), {"tokens": ["at-7"]}),
        good_row("both", 16, "tokens", 7, parts(text(ACCESS), b"at-7", text(ID), b"id-7"), {"tokens": ["at-7", "id-7"]}),
        good_row("none", 17, "tokens", 7, b"", {"tokens": []}),
    ],
    "client_secrets": [
        good_row("a short one", 7, "client-secret", 0, b"cs-1", {"length": 4}, ZEROS),
        good_row("one of the second size class", 6, "client-secret", 0, b"s" * 4000, {"length": 4000}, ZEROS),
        good_row("one of the third", 18, "client-secret", 0, b"s" * 8000, {"length": 8000}, ZEROS),
        good_row("the longest", 19, "client-secret", 0, b"s" * 32467, {"length": 32467}, ZEROS),
    ],
    "proof_keys": [
        good_row("of the grant of generation 7", 24, "proof-key", 7, PROOF_KEY,
                 {"thumbprint": base64.urlsafe_b64encode(THUMBPRINT).rstrip(b"=").decode()}),
    ],
    "revocations": [
        good_row("one, of a public client", 21, "revocations", 0, parts(text(REVOCATION), b"rt-7", b""),
                 {"tokens": ["rt-7"], "secrets": [None]}, ZEROS),
        good_row("two, one with a client secret", 22, "revocations", 0,
                 parts(text(REVOCATION), b"rt-7", b"cs-1", text({"at": 1, "client_id": "cli"}), b"rt-9", b""),
                 {"tokens": ["rt-7", "rt-9"], "secrets": ["cs-1", None]}, ZEROS),
    ],
    "registrations": [
        good_row("all of it", 23, "registration", 0, parts(text(REGISTRATION), b"rat-1"), {"client_id": "c-1", "token": "rat-1"}, ZEROS),
        good_row("nothing to end it with", 24, "registration", 0, parts(text({"client_id": "c-2", "issuer": "https://as.example"}), b""),
                 {"client_id": "c-2", "token": None}, ZEROS),
    ],
    "meta": {"blob": meta(8, META).hex(), "machine_id": MACHINE.decode()},
    "slots": [
        {"slot": slot(*SLOT), "secret": SLOT[3].hex()},
        {"slot": slot("load-credential", "load-credential", {"path": "/run/c/tokenkeeper.key"}, b"c" * 32), "secret": (b"c" * 32).hex()},
        {"slot": slot("insecure", "insecure", {"path": "/s/insecure.key"}, bytes(range(32))), "secret": bytes(range(32)).hex()},
        {"slot": slot("secret-service", "secret-service", {}, bytes(range(32, 64))), "secret": bytes(range(32, 64)).hex()},
        {"slot": slot("passphrase-2", "passphrase", COST, stretch(b"correct horse")), "secret": stretch(b"correct horse").hex()},
    ],
    "passphrase": {"passphrase": "correct horse", "salt": SALT.hex(), "params": text(COST).decode(), "secret": stretch(b"correct horse").hex()},
    "sinks": [
        {"why": "a grant, and tokens that were deleted", "sink": sink(replaces=bytes(64), rows=[SUNK, parts(b"tokens")]).hex(), "rows": 2, "replaces": 2},
        {"why": "nothing", "sink": sink().hex(), "rows": 0, "replaces": 0},
    ],
    "bad_rows": [
        bad_row("one bit of the nonce", SEAL, "grant", changed(SEALED, 3)),
        bad_row("one bit of the ciphertext", SEAL, "grant", changed(SEALED, 1000)),
        bad_row("one bit of the tag", SEAL, "grant", changed(SEALED, len(SEALED) - 1)),
        bad_row("cut by a byte", CLASS, "grant", SEALED[:-1]),
        bad_row("longer by a byte", CLASS, "grant", SEALED + b"\0"),
        bad_row("empty", CLASS, "grant", b""),
        bad_row("a good seal of no size class", CLASS, "grant",
                seal(KEY, nonce(9), aad("grant", "work", 7, 1040, BINDING), padded(grant(facts={}), 1040))),
        bad_row("in the row of another generation", SEAL, "grant", SEALED, generation=8),
        bad_row("in the row of another binding", SEAL, "grant", SEALED, binding=ZEROS),
        bad_row("in the row of another kind", SEAL, "tokens", SEALED),
        bad_row("tokens in the row of a grant", SEAL, "grant", record(9, "tokens", "work", 7, BINDING, parts(text(ACCESS), b"x"))),
        bad_grant("sealed under another key", SEAL, grant(), key=OTHER_KEY),
        bad_row("sealed for another account", SEAL, "grant", record(9, "grant", "play", 7, BINDING, grant())),
        bad_grant("sealed for another vault", SEAL, grant(), vault=OTHER_VAULT),
        bad_grant("sealed under another format's name", SEAL, grant(), name=b"tokenkeeper vault 2"),
        bad_row("sealed for another size class", SEAL, "grant",
                seal(KEY, nonce(9), aad("grant", "work", 7, 7936, BINDING), padded(grant(), SIZE))),
        bad_row("sealed without associated data", SEAL, "grant", seal(KEY, nonce(9), b"", padded(grant(), SIZE))),
        bad_row("a generation whose great end comes first", SEAL, "grant",
                seal(KEY, nonce(9), parts(b"tokenkeeper vault 1", VAULT, b"grant", b"work", struct.pack(">Q", 7), u64(SIZE), BINDING), padded(grant(), SIZE))),
        bad_grant("version 2 of the padding", VERSION, grant(), version=2),
        bad_grant("version 0 of the padding", VERSION, grant(), version=0),
        bad_grant("a length of one too many", LENGTH, grant(), length=SIZE - 44),
        bad_grant("the largest length", LENGTH, grant(), length=0xffffffff),
        bad_grant("a padding of ones", PADDING, grant(), padding=b"\1"),
        bad_grant("a length of one too few", PADDING, b"x" * 100, length=99),
        bad_grant("nothing", PART, b""),
        bad_grant("a part that leads beyond the body", PART, u32(99)),
        bad_grant("half a length", PART, b"\1\0"),
        bad_grant("two parts", PART, parts(text({"facts": None, "intent": None}), b"")),
        bad_grant("four parts", REST, grant() + parts(b"")),
        bad_grant("a byte behind the parts", REST, grant() + b"\0"),
        bad_grant("no JSON", TEXT, parts(b"{", b"", b"")),
        bad_grant("JSON without facts and intent that is a list", TEXT, parts(b"[1]", b"", b"")),
        bad_grant("facts that are a number", TEXT, grant(facts=7)),
        bad_grant("a time that is a text", TEXT, grant({**FACTS, "signed_in_at": "today"})),
        bad_grant("an end without a reason", TEXT, grant({**FACTS, "ended": {"at": 1, "held": True}})),
        bad_grant("an intent without attempts", TEXT, grant(intent={k: v for k, v in INTENT.items() if k != "attempts"})),
        bad_grant("an intent with a hash of 31 bytes", TEXT, grant(intent={**INTENT, "token_hash": list(range(31))})),
        bad_grant("an intent of a negative generation", TEXT, grant(intent={**INTENT, "generation": -1})),
        bad_tokens("an unknown kind of token", TOKEN_KIND, text({**ACCESS, "kind": "other"}), b"x"),
        bad_tokens("a text without its token", NO_TOKEN, text(ACCESS)),
        bad_tokens("a second text without its token", NO_TOKEN, text(ACCESS), b"x", text(ID)),
        bad_tokens("a token without its text", TEXT, b"at-7", text(ACCESS)),
        bad_tokens("text that is not UTF-8", TEXT, b"{\"kind\":\"\xff\"}", b"x"),
        bad_tokens("an expiry with a boot id of 15 bytes", TEXT, text({**ACCESS, "expiry": {**ACCESS["expiry"], "boot_id": list(range(15))}}), b"x"),
        bad_registration("a text without its token", PART, text(REGISTRATION)),
        bad_registration("an address and no token for it", NO_TOKEN, text(REGISTRATION), b""),
        bad_registration("a token and no address for it", NO_TOKEN, text({**REGISTRATION, "client_uri": None}), b"rat-1"),
        bad_registration("an address that is none", TEXT, text({**REGISTRATION, "client_uri": "reg/c-1"}), b"rat-1"),
        bad_registration("something behind the token", REST, text(REGISTRATION), b"rat-1", b""),
        bad_revocations("a text without its token", NO_TOKEN, text(REVOCATION)),
        bad_revocations("a token without room for a secret", PART, text(REVOCATION), b"rt-7"),
        bad_revocations("a revocation that is a number", TEXT, b"7", b"rt-7", b""),
        bad_revocations("a time that is a text", TEXT, text({**REVOCATION, "at": "today"}), b"rt-7", b""),
        bad_row("a revocation of another account", SEAL, "revocations",
                record(9, "revocations", "play", 0, ZEROS, parts(text(REVOCATION), b"rt-7", b"")), generation=0, binding=ZEROS),
        bad_tokens("no scopes", TEXT, text({k: v for k, v in ACCESS.items() if k != "scopes"}), b"x"),
    ],
    "bad_refresh_tokens": [
        {"why": why, "error": error, "token": blob.hex()}
        for why, error, blob in [
            ("nothing", SHORT, b""),
            ("version 2", VERSION, token(20, 7, b"rt-7", version=2)),
            ("half a generation", SHORT, b"\1\7\0\0\0"),
            ("no seal", SHORT, b"\1" + u64(7)),
            ("a seal without room for its tag", SHORT, token(20, 7, b"rt-7")[:9 + 39]),
            ("cut by a byte", SEAL, token(20, 7, b"rt-7")[:-1]),
            ("another generation", SEAL, b"\1" + u64(8) + token(20, 7, b"rt-7")[9:]),
            ("sealed for another account", SEAL, token(20, 7, b"rt-7", account="play")),
            ("sealed for another token endpoint", SEAL, token(20, 7, b"rt-7", binding=ZEROS)),
        ]
    ],
    "bad_metas": [
        {"why": why, "error": error, "blob": blob.hex()}
        for why, error, blob in [
            ("cut to its nonce", SHORT, meta(8, META)[:24]),
            ("cut by a byte", SEAL, meta(8, META)[:-1]),
            ("another vault's", SEAL, meta(8, META, OTHER_VAULT)),
            ("no JSON", TEXT, meta(8, b"machine")),
            ("a machine of 31 numbers", TEXT, meta(8, {"machine": META["machine"][:31]})),
            ("no machine", TEXT, meta(8, {})),
        ]
    ],
    "bad_slots": [
        {"why": why, "error": error, "slot": of, "secret": None if secret is None else secret.hex()}
        for why, error, secret, of in [
            ("another secret", SEAL, b"j" * 40, slot(*SLOT)),
            ("another path", "damaged", SLOT[3], slot(*SLOT, params="{\"path\":\"/tmp/key\"}", sum=False)),
            ("another path, and the sum made to fit", SEAL, SLOT[3], slot(*SLOT, params="{\"path\":\"/tmp/key\"}")),
            ("another id", "damaged", SLOT[3], slot(*SLOT, id="keyfile-2", sum=False)),
            ("another id, and the sum made to fit", SEAL, SLOT[3], slot(*SLOT, id="keyfile-2")),
            ("another kind, and the sum made to fit", SEAL, SLOT[3], slot(*SLOT, kind="insecure")),
            ("another salt, and the sum made to fit", SEAL, SLOT[3], slot(*SLOT, salt=ZEROS)),
            ("nothing wrapped", "damaged", SLOT[3], slot(*SLOT, wrapped=b"")),
            ("a seal cut within its tag", SHORT, SLOT[3], slot(*SLOT, wrapped=bytes(39))),
            ("a key of 31 bytes", NO_KEY, SLOT[3], slot(*SLOT, wraps=KEY[:31])),
            ("the key of another vault", SEAL, SLOT[3], slot(*SLOT, wrapped=seal(
                hkdf(SLOT[3], SALT, parts(b"tokenkeeper slot 1", OTHER_VAULT, b"keyfile", b"keyfile")), nonce(4),
                aad("slot", "keyfile", 0, 0, digest(b"keyfile", text(SLOT[2]), SALT), OTHER_VAULT), KEY))),
            ("more memory than a reader gives", "the passphrase slot asks for more than 256 MiB, 16 passes or 4 lanes", None,
             slot("passphrase", "passphrase", {**COST, "memory_kib": 262145}, ZEROS)),
            ("more passes than a reader makes", "the passphrase slot asks for more than 256 MiB, 16 passes or 4 lanes", None,
             slot("passphrase", "passphrase", {**COST, "passes": 17}, ZEROS)),
            ("more lanes than a reader has", "the passphrase slot asks for more than 256 MiB, 16 passes or 4 lanes", None,
             slot("passphrase", "passphrase", {**COST, "lanes": 5}, ZEROS)),
            ("no cost", "the passphrase slot's parameters are damaged", None, slot("passphrase", "passphrase", {}, ZEROS)),
            ("a cost that this version does not know", "the passphrase slot's parameters are damaged", None,
             slot("passphrase", "passphrase", {**COST, "pepper": 1}, ZEROS)),
            ("no path", "the keyfile slot's parameters are damaged", None, slot("keyfile", "keyfile", {}, ZEROS)),
            ("parameters that are no JSON", "the load-credential slot's parameters are damaged", None,
             slot("load-credential", "load-credential", "path", ZEROS)),
            ("an unknown kind", "there is no slot kind `horoscope`", None, slot("horoscope", "horoscope", {}, ZEROS)),
        ]
    ],
    "bad_sinks": [
        {"why": why, "error": error, "sink": blob.hex()}
        for why, error, blob in [
            ("no room for a sum", SHORT, bytes(31)),
            ("one bit", "its sum is not that of its bytes", changed(sink(rows=[SUNK]), 100)),
            ("another format", "it is of no format that this program knows", sink(name=b"tokenkeeper sink 2")),
            ("another vault", "it belongs to another vault", sink(vault=OTHER_VAULT)),
            ("a way out of the directory", "what it is about is no account's name", sink(account=b"../../work")),
            ("no account", "what it is about is no account's name", sink(account=b"")),
            ("a hash of 31 bytes", "its hashes are no hashes", sink(replaces=bytes(31))),
            ("a row of an unknown kind", "a record in it is of no known kind", sink(rows=[parts(b"slot", u64(7), BINDING, b"")])),
            ("a generation of 7 bytes", "a record in it is not what a record is", sink(rows=[parts(b"grant", bytes(7), BINDING, SEALED)])),
            ("a binding of 31 bytes", "a record in it is not what a record is", sink(rows=[parts(b"grant", u64(7), BINDING[:31], SEALED)])),
            ("something behind a row", "a record in it is not what a record is", sink(rows=[SUNK + b"\0"])),
            ("a row without its seal", PART, sink(rows=[parts(b"grant", u64(7), BINDING)])),
            ("a row that leads beyond the end", PART, (lambda whole: whole + digest(whole))(parts(b"tokenkeeper sink 1", VAULT, b"work", b"") + u32(99))),
        ]
    ],
}, indent=1))
