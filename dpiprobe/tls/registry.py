"""Names of the numbers in a ClientHello, as IANA's registries have them, and back.

Alone responsible for naming: TLS ExtensionType Values, TLS Cipher Suites, TLS Supported Groups, TLS SignatureScheme, versions, record types.

Rules of this file: a number without a name is shown in hex, a GREASE number (RFC 8701) says so. A name or a number in any notation is read back;
what is neither is the caller's error (UsageError).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from dpiprobe.errors import UsageError
from dpiprobe.tls.fingerprint import GREASE

EXTENSIONS = {
    0: "server_name", 1: "max_fragment_length", 2: "client_certificate_url", 3: "trusted_ca_keys", 4: "truncated_hmac", 5: "status_request",
    6: "user_mapping", 7: "client_authz", 8: "server_authz", 9: "cert_type", 10: "supported_groups", 11: "ec_point_formats", 12: "srp",
    13: "signature_algorithms", 14: "use_srtp", 15: "heartbeat", 16: "application_layer_protocol_negotiation", 17: "status_request_v2",
    18: "signed_certificate_timestamp", 19: "client_certificate_type", 20: "server_certificate_type", 21: "padding", 22: "encrypt_then_mac",
    23: "extended_master_secret", 24: "token_binding", 25: "cached_info", 26: "tls_lts", 27: "compress_certificate", 28: "record_size_limit",
    29: "pwd_protect", 30: "pwd_clear", 31: "password_salt", 32: "ticket_pinning", 33: "tls_cert_with_extern_psk", 34: "delegated_credential",
    35: "session_ticket", 36: "TLMSP", 37: "TLMSP_proxying", 38: "TLMSP_delegate", 39: "supported_ekt_ciphers", 41: "pre_shared_key",
    42: "early_data", 43: "supported_versions", 44: "cookie", 45: "psk_key_exchange_modes", 47: "certificate_authorities", 48: "oid_filters",
    49: "post_handshake_auth", 50: "signature_algorithms_cert", 51: "key_share", 52: "transparency_info", 54: "connection_id",
    55: "external_id_hash", 56: "external_session_id", 57: "quic_transport_parameters", 58: "ticket_request", 59: "dnssec_chain",
    60: "sequence_number_encryption_algorithms", 61: "rrc", 62: "tls_flags", 13172: "next_protocol_negotiation",
    17513: "application_settings_old", 17613: "application_settings", 30032: "channel_id", 64768: "ech_outer_extensions",
    65037: "encrypted_client_hello", 65281: "renegotiation_info", 65445: "quic_transport_parameters_draft", 65486: "encrypted_server_name",
}  # fmt: skip
"""13172, 17513, 17613, 30032, 65445, 65486 were never or are no longer registered; the names are those of Chromium and the drafts"""

GROUPS = {
    19: "secp192r1", 21: "secp224r1", 22: "secp256k1", 23: "secp256r1", 24: "secp384r1", 25: "secp521r1", 26: "brainpoolP256r1",
    27: "brainpoolP384r1", 28: "brainpoolP512r1", 29: "x25519", 30: "x448", 31: "brainpoolP256r1tls13", 32: "brainpoolP384r1tls13",
    33: "brainpoolP512r1tls13", 41: "curveSM2", 256: "ffdhe2048", 257: "ffdhe3072", 258: "ffdhe4096", 259: "ffdhe6144", 260: "ffdhe8192",
    0x0200: "MLKEM512", 0x0201: "MLKEM768", 0x0202: "MLKEM1024", 0x11EB: "SecP256r1MLKEM768", 0x11EC: "X25519MLKEM768",
    0x11ED: "SecP384r1MLKEM1024", 0x11EE: "curveSM2MLKEM768", 0x6399: "X25519Kyber768Draft00", 0x639A: "SecP256r1Kyber768Draft00",
}  # fmt: skip

SIGNATURES = {
    0x0201: "rsa_pkcs1_sha1", 0x0202: "dsa_sha1", 0x0203: "ecdsa_sha1", 0x0301: "rsa_pkcs1_sha224", 0x0302: "dsa_sha224",
    0x0303: "ecdsa_sha224", 0x0401: "rsa_pkcs1_sha256", 0x0402: "dsa_sha256", 0x0403: "ecdsa_secp256r1_sha256", 0x0501: "rsa_pkcs1_sha384",
    0x0502: "dsa_sha384", 0x0503: "ecdsa_secp384r1_sha384", 0x0601: "rsa_pkcs1_sha512", 0x0602: "dsa_sha512", 0x0603: "ecdsa_secp521r1_sha512",
    0x0708: "sm2sig_sm3", 0x0804: "rsa_pss_rsae_sha256", 0x0805: "rsa_pss_rsae_sha384", 0x0806: "rsa_pss_rsae_sha512", 0x0807: "ed25519",
    0x0808: "ed448", 0x0809: "rsa_pss_pss_sha256", 0x080A: "rsa_pss_pss_sha384", 0x080B: "rsa_pss_pss_sha512",
    0x081A: "ecdsa_brainpoolP256r1tls13_sha256", 0x081B: "ecdsa_brainpoolP384r1tls13_sha384", 0x081C: "ecdsa_brainpoolP512r1tls13_sha512",
    0x0904: "mldsa44", 0x0905: "mldsa65", 0x0906: "mldsa87",
}  # fmt: skip

VERSIONS = {0x0002: "SSL 2", 0x0300: "SSL 3", 0x0301: "TLS 1.0", 0x0302: "TLS 1.1", 0x0303: "TLS 1.2", 0x0304: "TLS 1.3", 0x7F1C: "TLS 1.3 draft 28"}
RECORDS = {20: "change_cipher_spec", 21: "alert", 22: "handshake", 23: "application_data", 24: "heartbeat"}

CIPHERS = {
    0x0001: "RSA_WITH_NULL_MD5", 0x0002: "RSA_WITH_NULL_SHA", 0x0004: "RSA_WITH_RC4_128_MD5", 0x0005: "RSA_WITH_RC4_128_SHA",
    0x000A: "RSA_WITH_3DES_EDE_CBC_SHA", 0x0013: "DHE_DSS_WITH_3DES_EDE_CBC_SHA", 0x0016: "DHE_RSA_WITH_3DES_EDE_CBC_SHA",
    0x002C: "PSK_WITH_NULL_SHA", 0x002D: "DHE_PSK_WITH_NULL_SHA", 0x002E: "RSA_PSK_WITH_NULL_SHA", 0x002F: "RSA_WITH_AES_128_CBC_SHA",
    0x0032: "DHE_DSS_WITH_AES_128_CBC_SHA", 0x0033: "DHE_RSA_WITH_AES_128_CBC_SHA", 0x0034: "DH_anon_WITH_AES_128_CBC_SHA",
    0x0035: "RSA_WITH_AES_256_CBC_SHA", 0x0038: "DHE_DSS_WITH_AES_256_CBC_SHA", 0x0039: "DHE_RSA_WITH_AES_256_CBC_SHA",
    0x003A: "DH_anon_WITH_AES_256_CBC_SHA", 0x003B: "RSA_WITH_NULL_SHA256", 0x003C: "RSA_WITH_AES_128_CBC_SHA256",
    0x003D: "RSA_WITH_AES_256_CBC_SHA256", 0x0040: "DHE_DSS_WITH_AES_128_CBC_SHA256", 0x0041: "RSA_WITH_CAMELLIA_128_CBC_SHA",
    0x0044: "DHE_DSS_WITH_CAMELLIA_128_CBC_SHA", 0x0045: "DHE_RSA_WITH_CAMELLIA_128_CBC_SHA", 0x0046: "DH_anon_WITH_CAMELLIA_128_CBC_SHA",
    0x0067: "DHE_RSA_WITH_AES_128_CBC_SHA256", 0x006A: "DHE_DSS_WITH_AES_256_CBC_SHA256", 0x006B: "DHE_RSA_WITH_AES_256_CBC_SHA256",
    0x006C: "DH_anon_WITH_AES_128_CBC_SHA256", 0x006D: "DH_anon_WITH_AES_256_CBC_SHA256", 0x0084: "RSA_WITH_CAMELLIA_256_CBC_SHA",
    0x0087: "DHE_DSS_WITH_CAMELLIA_256_CBC_SHA", 0x0088: "DHE_RSA_WITH_CAMELLIA_256_CBC_SHA", 0x0089: "DH_anon_WITH_CAMELLIA_256_CBC_SHA",
    0x008C: "PSK_WITH_AES_128_CBC_SHA", 0x008D: "PSK_WITH_AES_256_CBC_SHA", 0x0090: "DHE_PSK_WITH_AES_128_CBC_SHA",
    0x0091: "DHE_PSK_WITH_AES_256_CBC_SHA", 0x0094: "RSA_PSK_WITH_AES_128_CBC_SHA", 0x0095: "RSA_PSK_WITH_AES_256_CBC_SHA",
    0x009C: "RSA_WITH_AES_128_GCM_SHA256", 0x009D: "RSA_WITH_AES_256_GCM_SHA384", 0x009E: "DHE_RSA_WITH_AES_128_GCM_SHA256",
    0x009F: "DHE_RSA_WITH_AES_256_GCM_SHA384", 0x00A2: "DHE_DSS_WITH_AES_128_GCM_SHA256", 0x00A3: "DHE_DSS_WITH_AES_256_GCM_SHA384",
    0x00A6: "DH_anon_WITH_AES_128_GCM_SHA256", 0x00A7: "DH_anon_WITH_AES_256_GCM_SHA384", 0x00A8: "PSK_WITH_AES_128_GCM_SHA256",
    0x00A9: "PSK_WITH_AES_256_GCM_SHA384", 0x00AA: "DHE_PSK_WITH_AES_128_GCM_SHA256", 0x00AB: "DHE_PSK_WITH_AES_256_GCM_SHA384",
    0x00AC: "RSA_PSK_WITH_AES_128_GCM_SHA256", 0x00AD: "RSA_PSK_WITH_AES_256_GCM_SHA384", 0x00AE: "PSK_WITH_AES_128_CBC_SHA256",
    0x00AF: "PSK_WITH_AES_256_CBC_SHA384", 0x00B0: "PSK_WITH_NULL_SHA256", 0x00B1: "PSK_WITH_NULL_SHA384",
    0x00B2: "DHE_PSK_WITH_AES_128_CBC_SHA256", 0x00B3: "DHE_PSK_WITH_AES_256_CBC_SHA384", 0x00B4: "DHE_PSK_WITH_NULL_SHA256",
    0x00B5: "DHE_PSK_WITH_NULL_SHA384", 0x00B6: "RSA_PSK_WITH_AES_128_CBC_SHA256", 0x00B7: "RSA_PSK_WITH_AES_256_CBC_SHA384",
    0x00B8: "RSA_PSK_WITH_NULL_SHA256", 0x00B9: "RSA_PSK_WITH_NULL_SHA384", 0x00BA: "RSA_WITH_CAMELLIA_128_CBC_SHA256",
    0x00BD: "DHE_DSS_WITH_CAMELLIA_128_CBC_SHA256", 0x00BE: "DHE_RSA_WITH_CAMELLIA_128_CBC_SHA256",
    0x00BF: "DH_anon_WITH_CAMELLIA_128_CBC_SHA256", 0x00C0: "RSA_WITH_CAMELLIA_256_CBC_SHA256",
    0x00C3: "DHE_DSS_WITH_CAMELLIA_256_CBC_SHA256", 0x00C4: "DHE_RSA_WITH_CAMELLIA_256_CBC_SHA256",
    0x00C5: "DH_anon_WITH_CAMELLIA_256_CBC_SHA256", 0x00FF: "EMPTY_RENEGOTIATION_INFO_SCSV", 0x1301: "AES_128_GCM_SHA256",
    0x1302: "AES_256_GCM_SHA384", 0x1303: "CHACHA20_POLY1305_SHA256", 0x1304: "AES_128_CCM_SHA256", 0x1305: "AES_128_CCM_8_SHA256",
    0x5600: "FALLBACK_SCSV", 0xC006: "ECDHE_ECDSA_WITH_NULL_SHA", 0xC007: "ECDHE_ECDSA_WITH_RC4_128_SHA",
    0xC008: "ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA", 0xC009: "ECDHE_ECDSA_WITH_AES_128_CBC_SHA", 0xC00A: "ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    0xC010: "ECDHE_RSA_WITH_NULL_SHA", 0xC011: "ECDHE_RSA_WITH_RC4_128_SHA", 0xC012: "ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    0xC013: "ECDHE_RSA_WITH_AES_128_CBC_SHA", 0xC014: "ECDHE_RSA_WITH_AES_256_CBC_SHA", 0xC015: "ECDH_anon_WITH_NULL_SHA",
    0xC018: "ECDH_anon_WITH_AES_128_CBC_SHA", 0xC019: "ECDH_anon_WITH_AES_256_CBC_SHA", 0xC01D: "SRP_SHA_WITH_AES_128_CBC_SHA",
    0xC01E: "SRP_SHA_RSA_WITH_AES_128_CBC_SHA", 0xC01F: "SRP_SHA_DSS_WITH_AES_128_CBC_SHA", 0xC020: "SRP_SHA_WITH_AES_256_CBC_SHA",
    0xC021: "SRP_SHA_RSA_WITH_AES_256_CBC_SHA", 0xC022: "SRP_SHA_DSS_WITH_AES_256_CBC_SHA", 0xC023: "ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    0xC024: "ECDHE_ECDSA_WITH_AES_256_CBC_SHA384", 0xC027: "ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    0xC028: "ECDHE_RSA_WITH_AES_256_CBC_SHA384", 0xC02B: "ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    0xC02C: "ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", 0xC02F: "ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    0xC030: "ECDHE_RSA_WITH_AES_256_GCM_SHA384", 0xC035: "ECDHE_PSK_WITH_AES_128_CBC_SHA", 0xC036: "ECDHE_PSK_WITH_AES_256_CBC_SHA",
    0xC037: "ECDHE_PSK_WITH_AES_128_CBC_SHA256", 0xC038: "ECDHE_PSK_WITH_AES_256_CBC_SHA384", 0xC039: "ECDHE_PSK_WITH_NULL_SHA",
    0xC03A: "ECDHE_PSK_WITH_NULL_SHA256", 0xC03B: "ECDHE_PSK_WITH_NULL_SHA384", 0xC050: "RSA_WITH_ARIA_128_GCM_SHA256",
    0xC051: "RSA_WITH_ARIA_256_GCM_SHA384", 0xC052: "DHE_RSA_WITH_ARIA_128_GCM_SHA256", 0xC053: "DHE_RSA_WITH_ARIA_256_GCM_SHA384",
    0xC056: "DHE_DSS_WITH_ARIA_128_GCM_SHA256", 0xC057: "DHE_DSS_WITH_ARIA_256_GCM_SHA384",
    0xC05C: "ECDHE_ECDSA_WITH_ARIA_128_GCM_SHA256", 0xC05D: "ECDHE_ECDSA_WITH_ARIA_256_GCM_SHA384",
    0xC060: "ECDHE_RSA_WITH_ARIA_128_GCM_SHA256", 0xC061: "ECDHE_RSA_WITH_ARIA_256_GCM_SHA384", 0xC06A: "PSK_WITH_ARIA_128_GCM_SHA256",
    0xC06B: "PSK_WITH_ARIA_256_GCM_SHA384", 0xC06C: "DHE_PSK_WITH_ARIA_128_GCM_SHA256", 0xC06D: "DHE_PSK_WITH_ARIA_256_GCM_SHA384",
    0xC06E: "RSA_PSK_WITH_ARIA_128_GCM_SHA256", 0xC06F: "RSA_PSK_WITH_ARIA_256_GCM_SHA384",
    0xC072: "ECDHE_ECDSA_WITH_CAMELLIA_128_CBC_SHA256", 0xC073: "ECDHE_ECDSA_WITH_CAMELLIA_256_CBC_SHA384",
    0xC076: "ECDHE_RSA_WITH_CAMELLIA_128_CBC_SHA256", 0xC077: "ECDHE_RSA_WITH_CAMELLIA_256_CBC_SHA384",
    0xC094: "PSK_WITH_CAMELLIA_128_CBC_SHA256", 0xC095: "PSK_WITH_CAMELLIA_256_CBC_SHA384",
    0xC096: "DHE_PSK_WITH_CAMELLIA_128_CBC_SHA256", 0xC097: "DHE_PSK_WITH_CAMELLIA_256_CBC_SHA384",
    0xC098: "RSA_PSK_WITH_CAMELLIA_128_CBC_SHA256", 0xC099: "RSA_PSK_WITH_CAMELLIA_256_CBC_SHA384",
    0xC09A: "ECDHE_PSK_WITH_CAMELLIA_128_CBC_SHA256", 0xC09B: "ECDHE_PSK_WITH_CAMELLIA_256_CBC_SHA384", 0xC09C: "RSA_WITH_AES_128_CCM",
    0xC09D: "RSA_WITH_AES_256_CCM", 0xC09E: "DHE_RSA_WITH_AES_128_CCM", 0xC09F: "DHE_RSA_WITH_AES_256_CCM",
    0xC0A0: "RSA_WITH_AES_128_CCM_8", 0xC0A1: "RSA_WITH_AES_256_CCM_8", 0xC0A2: "DHE_RSA_WITH_AES_128_CCM_8",
    0xC0A3: "DHE_RSA_WITH_AES_256_CCM_8", 0xC0A4: "PSK_WITH_AES_128_CCM", 0xC0A5: "PSK_WITH_AES_256_CCM",
    0xC0A6: "DHE_PSK_WITH_AES_128_CCM", 0xC0A7: "DHE_PSK_WITH_AES_256_CCM", 0xC0A8: "PSK_WITH_AES_128_CCM_8",
    0xC0A9: "PSK_WITH_AES_256_CCM_8", 0xC0AA: "PSK_DHE_WITH_AES_128_CCM_8", 0xC0AB: "PSK_DHE_WITH_AES_256_CCM_8",
    0xC0AC: "ECDHE_ECDSA_WITH_AES_128_CCM", 0xC0AD: "ECDHE_ECDSA_WITH_AES_256_CCM", 0xC0AE: "ECDHE_ECDSA_WITH_AES_128_CCM_8",
    0xC0AF: "ECDHE_ECDSA_WITH_AES_256_CCM_8", 0xCCA8: "ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    0xCCA9: "ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", 0xCCAA: "DHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    0xCCAB: "PSK_WITH_CHACHA20_POLY1305_SHA256", 0xCCAC: "ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256",
    0xCCAD: "DHE_PSK_WITH_CHACHA20_POLY1305_SHA256", 0xCCAE: "RSA_PSK_WITH_CHACHA20_POLY1305_SHA256",
}  # fmt: skip
"""Without the TLS_ that all of them begin with"""


def named(number: int, names: Mapping[int, str]) -> str:
    """`x25519`, `GREASE (0x2a2a)`, or `0x1234`."""
    if number in names:
        return names[number]
    return f"GREASE (0x{number:04x})" if number in GREASE else f"0x{number:04x}"


def number_of(text: object, names: Mapping[int, str], what: str) -> int:
    """The number that `named` shows, or that is written as one (0x002a, 42). UsageError for anything else."""
    if isinstance(text, int) and not isinstance(text, bool):
        return _fits(text, what)
    if not isinstance(text, str):
        raise UsageError(f"{text!r} is no {what}; write its name or number")
    for number, name in names.items():
        if name == text or name == text.removeprefix("TLS_"):
            return number
    digits = text.removeprefix("GREASE (").removesuffix(")")
    try:
        return _fits(int(digits, 0), what)
    except ValueError:
        near = difflib.get_close_matches(text, names.values(), n=1)
        raise UsageError(f"{text!r} is no {what}; {f'did you mean {near[0]!r}?' if near else 'write its number, such as 0x002a'}") from None


def _fits(number: int, what: str) -> int:
    if not 0 <= number <= 0xFFFF:
        raise UsageError(f"{number} is no {what}; numbers go from 0 to 65535")
    return number
