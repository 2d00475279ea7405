"""Explain to the operator why a TLS connection failed."""

import ssl

_EXPIRED, _NOT_YET = 10, 9
_UNKNOWN_ISSUER = frozenset({2, 18, 19, 20, 21, 27})
_OTHER_NAME = frozenset({62, 64})
"""Codes of OpenSSL's `X509_V_ERR_…` (https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/)."""


def tls_failure(error: BaseException) -> str | None:
    """Return why TLS failed, as part of a sentence; null if the error is not a TLS failure."""
    match error:
        case ssl.SSLCertVerificationError(verify_code=code, verify_message=message):
            return f"TLS failed: {_certificate_problem(code, message)}"
        case ssl.SSLError(reason=str(reason)):
            return f"TLS failed: {reason.lower().replace('_', ' ')}"
        case ssl.SSLError():
            return "TLS failed"
        case _:
            return None


def _certificate_problem(code: int, message: str) -> str:
    if code == _EXPIRED:
        return "its certificate has expired"
    if code == _NOT_YET:
        return "its certificate is not valid yet; check this machine's clock"
    if code in _UNKNOWN_ISSUER:
        return f"its certificate is from an unknown authority ({message}); set SSL_CERT_FILE to trust another one"
    if code in _OTHER_NAME:
        return "its certificate is for another host name"
    return message
