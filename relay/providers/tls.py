"""Why a TLS connection failed, in words for the operator."""

import ssl

_EXPIRED, _NOT_YET = 10, 9
_UNKNOWN_ISSUER = frozenset({2, 18, 19, 20, 21, 27})
_OTHER_NAME = frozenset({62, 64})
"""Codes of OpenSSL's `X509_V_ERR_…` (https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/)."""


def tls_failure(error: BaseException) -> str | None:
    """Return why TLS failed, to stand in a sentence; null for what is no failure of TLS."""
    match error:
        case ssl.SSLCertVerificationError(verify_code=code, verify_message=said):
            return f"TLS failed: {_about_certificate(code, said)}"
        case ssl.SSLError(reason=str(reason)):
            return f"TLS failed: {reason.lower().replace('_', ' ')}"
        case ssl.SSLError():
            return "TLS failed"
        case _:
            return None


def _about_certificate(code: int, said: str) -> str:
    if code == _EXPIRED:
        return "its certificate has expired"
    if code == _NOT_YET:
        return "its certificate is not valid yet; check this machine's clock"
    if code in _UNKNOWN_ISSUER:
        return f"its certificate is from an unknown authority ({said}); set SSL_CERT_FILE to trust another one"
    if code in _OTHER_NAME:
        return "its certificate is for another host name"
    return said
