# hashlib and cryptolib share Mbed TLS with ssl: they must still be there, and right.

try:
    import ssl, hashlib, cryptolib
except ImportError:
    print("SKIP")
    raise SystemExit

for name in ("md5", "sha1", "sha256"):
    h = getattr(hashlib, name)(b"a")
    h.update(b"bc")
    print(name, h.digest().hex())

# The first block of the examples in NIST SP 800-38A, F.1 and F.2.
key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
iv = bytes(range(16))
text = bytes.fromhex("6bc1bee22e409f96e93d7e117393172a")
for mode, *args in ((1,), (2, iv)):
    cipher = cryptolib.aes(key, mode, *args).encrypt(text)
    print(mode, cipher.hex(), cryptolib.aes(key, mode, *args).decrypt(cipher) == text)
