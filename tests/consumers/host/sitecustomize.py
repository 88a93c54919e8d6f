"""What upydev needs of a newer Python and OpenSSL, as its user would have to allow it.

Python 3.13 wants extensions in certificates that upydev's do not have; OpenSSL 3.2 does not
offer suites with the short tag of CCM8 above security level 0.
"""

import ssl

if ssl.OPENSSL_VERSION_INFO >= (3, 2):
    set_ciphers = ssl.SSLContext.set_ciphers
    ssl.SSLContext.set_ciphers = lambda context, names: set_ciphers(context, names + ":@SECLEVEL=0")

create_default_context = ssl.create_default_context


def without_strict(*arguments, **options):
    context = create_default_context(*arguments, **options)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


ssl.create_default_context = without_strict
